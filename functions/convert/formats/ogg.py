"""Vorbis in an Ogg file (Vorbis I specification, appendix A), only for tracks that are copied."""

from __future__ import annotations

from pathlib import Path

from soundlift.common.audio import output_formats

from ..failures import BROKEN, ConversionFailed
from ..probe.audio_track import AudioTrack
from ..probe.packets import Packets
from .copied_only import CopiedOnly
from .ogg_stream import Headers, NotOgg, read_end, replace_headers, set_positions, split_only_page
from .output_format import Head, NotCopied, OutputFormat, Tags
from .vorbis_blocks import Blocks, NotVorbis
from .vorbis_comments import build_comment_header, read_vendor

HEADERS = 3
RATE = slice(12, 16)  # in the identification header
COMMENT_MAGIC, FRAMING = b"\x03vorbis", b"\x01"


class OggVorbisFile(CopiedOnly):
    """Vorbis in an Ogg file."""

    facts = output_formats.OGG
    carried_codecs = copied_codecs = frozenset({"vorbis"})
    lead_packets = 0

    def copy_args(self, track: AudioTrack) -> tuple[str, ...]:
        """Return the arguments for an Ogg file without tags."""
        del track
        return ("-map_metadata", "-1", "-map_chapters", "-1", "-f", "ogg")

    def complete_copy(self, path: Path, packets: Packets) -> int:
        """Write all positions, which FFmpeg takes from timestamps, into the file; raises NotCopied.

        Nothing is skipped at the beginning: Matroska counts the first packet, but it only prepares the decoder.
        """
        try:
            with path.open("r+b") as file:
                headers = Headers.read(file, HEADERS)
                was_divided = split_only_page(file, headers)
                blocks = Blocks(headers.packets[0], headers.packets[2])

                def end(samples: int, _: int) -> int:
                    # In an Ogg file of one page, FFmpeg counts the first packet, too, and so discards more.
                    extra = blocks.first_size // 2 if was_divided and not packets.skip else 0
                    return samples - max(0, packets.discard - extra)

                return set_positions(file, headers, blocks.count_samples, end=end)
        except (NotOgg, NotVorbis):
            raise NotCopied("FFmpeg cannot store it in an Ogg file") from None

    def read_length(self, path: Path) -> float:
        """Return the length in seconds that the positions declare; raises ConversionFailed."""
        try:
            with path.open("rb") as file:
                headers = Headers.read(file, HEADERS)
                rate = int.from_bytes(headers.packets[0][RATE], "little")
                return max(0, read_end(file, headers)) / rate
        except (NotOgg, ZeroDivisionError):
            raise ConversionFailed(BROKEN) from None

    def write_tags(self, path: Path, tags: Tags) -> Head:
        """Return the header pages with other tags; raises ConversionFailed."""
        headers = Headers.of_finished(path, HEADERS)
        identification, old, setup = headers.packets
        vendor = read_vendor(old.removeprefix(COMMENT_MAGIC))
        comment = COMMENT_MAGIC + build_comment_header(tags, vendor) + FRAMING
        return replace_headers(path, headers, [identification, comment, setup])


OGG: OutputFormat = OggVorbisFile()
