"""FLAC, encoded by FFmpeg."""

from __future__ import annotations

from pathlib import Path

from soundlift.common.audio import output_formats
from soundlift.common.options.audio_options import AudioOptions

from ..failures import BROKEN, ConversionFailed
from ..probe.packets import Packets
from .flac_frames import SIGNATURE, NotFlac, StreamInfo, complete_frames, read_metadata
from .output_format import Head, NotCopied, OutputFormat, Sound, Tags
from .usual_format import UsualFormat
from .vorbis_comments import build_picture, comments

# The types of metadata blocks (RFC 9639, section 8.1).
STREAM_INFO, PADDING, COMMENT, PICTURE = 0, 1, 4, 6
LAST_BLOCK = 0x80
PADDING_BYTES = 8192  # in which players can store tags without moving the sound, as much as FFmpeg leaves
# The block size of libFLAC, which every player supports. Otherwise, FFmpeg uses the size of the first frame that the
# filters return.
BLOCK_SIZE = 4096
LOSSY_BITS, FLOAT_BITS = 16, 24


class Flac(UsualFormat):
    """FLAC in a file of its own."""

    facts = output_formats.FLAC
    sample_rates = ()
    is_lossless = True
    carried_codecs = copied_codecs = frozenset({"flac"})
    lead_packets = 0

    def codec(self, sound: Sound) -> str:
        """Return FLAC, whatever the sound."""
        del sound
        return "flac"

    def bitrate(self, options: AudioOptions, sound: Sound) -> None:
        """Return None: the bit rate depends on the sound."""
        del options, sound

    def encoder_args(self, options: AudioOptions, sound: Sound) -> tuple[str, ...]:
        """Return the arguments for FFmpeg's encoder, which has 16, 24 or 32 bits."""
        del options
        return ("-c:a", "flac", "-frame_size", str(BLOCK_SIZE), *_sample_args(sound))

    def container_args(self) -> tuple[str, ...]:
        """Return the arguments for a file without tags."""
        return ("-map_metadata", "-1", "-map_chapters", "-1", "-f", "flac")

    def complete_copy(self, path: Path, packets: Packets) -> int:
        """Let the frames be numbered from 0, and write their length; raises NotCopied if some are missing."""
        if packets.skip or packets.discard:
            raise NotCopied("it does not begin and end with whole frames")
        try:
            with path.open("r+b") as file:
                blocks = read_metadata(file)
                samples = complete_frames(path, file.tell(), packets.sizes)
        except NotFlac:
            raise NotCopied("it has damaged frames") from None
        with path.open("r+b") as file:
            file.seek(len(SIGNATURE) + 4)
            file.write(StreamInfo(blocks[STREAM_INFO]).with_samples(samples).data)
        return samples

    def write_length(self, path: Path, samples: int) -> None:
        """Leave the file as it is: FFmpeg has written the exact length."""

    def read_length(self, path: Path) -> float:
        """Return the length in the description of the stream; raises ConversionFailed if there is none."""
        try:
            with path.open("rb") as file:
                stream = StreamInfo.of(file.read(64))
        except NotFlac:
            raise ConversionFailed(BROKEN) from None
        return stream.samples / stream.rate

    def write_tags(self, path: Path, tags: Tags) -> Head:
        """Return other metadata blocks, before which nothing is stored; raises ConversionFailed."""
        from mutagen.flac import VCFLACDict

        try:
            with path.open("rb") as file:
                blocks, size = read_metadata(file), file.tell()
        except NotFlac:
            raise ConversionFailed(BROKEN) from None
        comment = VCFLACDict()
        comment.vendor = VCFLACDict(blocks[COMMENT]).vendor
        comment.extend(comments(tags))
        picture = build_picture(tags.cover)
        content = [
            _block(STREAM_INFO, blocks[STREAM_INFO]),
            _block(COMMENT, comment.write()),
            *([_block(PICTURE, picture.write())] if picture else []),
            _block(PADDING | LAST_BLOCK, bytes(PADDING_BYTES)),
        ]
        return Head(SIGNATURE + b"".join(content), size)


def _sample_args(sound: Sound) -> tuple[str, ...]:
    """Return the arguments for the bits of a sample.

    FFmpeg calls more than 24 bits experimental, because few decoders had them before RFC 9639.
    """
    bits = FLOAT_BITS if sound.is_float else sound.bits
    if bits <= LOSSY_BITS:
        return ("-sample_fmt", "s16")
    if bits <= FLOAT_BITS:
        return ("-sample_fmt", "s32", "-bits_per_raw_sample", "24")
    return ("-sample_fmt", "s32", "-bits_per_raw_sample", "32", "-strict", "experimental")


def _block(kind: int, content: bytes) -> bytes:
    """Return a metadata block."""
    return bytes([kind]) + len(content).to_bytes(3) + content


FLAC: OutputFormat = Flac()
