"""Opus in an Ogg file (RFC 7845), encoded by libopus."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from pathlib import Path

from soundlift.common.audio import output_formats
from soundlift.common.options.audio_options import AudioOptions

from ..failures import BROKEN, ConversionFailed
from ..probe.packets import Packets
from .ogg_stream import Headers, NotOgg, read_end, replace_first, replace_headers, set_positions
from .opus_packets import RATE, count_samples
from .output_format import Head, NotCopied, OutputFormat, Sound, Tags
from .usual_format import UsualFormat
from .vorbis_comments import build_comment_header, read_vendor

HEADERS = 2
TAGS_MAGIC = b"OpusTags"
PRE_SKIP = slice(10, 12)
HEAD_BYTES = 19  # at least
MAX_PRE_SKIP = 2**16 - 1
# In kbit/s, by the number of channels: what the recommendations for Opus give for music
# (https://wiki.xiph.org/Opus_Recommended_Settings).
DEFAULT_BITRATES = {1: 64, 2: 128}
# A decoder needs 80 ms before a cut to sound as if it had decoded everything (RFC 7845, section 4.6). Packets last
# at least 2.5 ms and mostly 20 ms, at most 120 ms.
LEAD_PACKETS = 10


class Opus(UsualFormat):
    """Opus, at 48 kHz, in an Ogg file."""

    facts = output_formats.OPUS
    sample_rates = (RATE,)
    is_lossless = False
    carried_codecs = copied_codecs = frozenset({"opus"})
    lead_packets = LEAD_PACKETS

    def codec(self, sound: Sound) -> str:
        """Return Opus, whatever the sound."""
        del sound
        return "opus"

    def bitrate(self, options: AudioOptions, sound: Sound) -> int:
        """Return the requested bit rate, which is that of the whole file, or a default by the number of channels."""
        return options.bitrate or DEFAULT_BITRATES[sound.channels]

    def encoder_args(self, options: AudioOptions, sound: Sound) -> tuple[str, ...]:
        """Return the arguments for libopus, which varies the bit rate around its average."""
        return ("-c:a", "libopus", "-b:a", f"{self.bitrate(options, sound)}k")

    def container_args(self) -> tuple[str, ...]:
        """Return the arguments for an Ogg file without tags."""
        return ("-map_metadata", "-1", "-map_chapters", "-1", "-f", "opus")

    def complete_copy(self, path: Path, packets: Packets) -> int:
        """Write the numbers of samples before and after the sound into the file, and all positions.

        FFmpeg takes positions from timestamps, which may be coarse. If the container does not say how much is skipped,
        decoders skip what the track itself says. Raises NotCopied if the sound cannot be exact.
        """
        if packets.skip > MAX_PRE_SKIP:
            raise NotCopied("too much of its beginning is not played")
        try:
            with path.open("r+b") as file:
                headers = Headers.read(file, HEADERS)
                head = bytearray(headers.packets[0])
                if len(head) < HEAD_BYTES:
                    raise NotOgg
                skip = packets.skip or _pre_skip(headers)
                head[PRE_SKIP] = skip.to_bytes(2, "little")
                replace_first(file, bytes(head))
                return set_positions(file, headers, count_samples, end=partial(_end, packets)) - skip
        except NotOgg:
            raise NotCopied("FFmpeg cannot store it in an Ogg file") from None

    def write_length(self, path: Path, samples: int) -> None:
        """Write the exact length and all positions; raises ConversionFailed.

        FFmpeg takes positions from timestamps. They may be off by one if the sound is resampled, and begin anew if the
        sample rate of the track changes.
        """
        if not samples:
            return
        try:
            with path.open("r+b") as file:
                headers = Headers.read(file, HEADERS)
                end = _pre_skip(headers) + samples
                set_positions(file, headers, count_samples, end=lambda all_samples, _: min(all_samples, end))
        except (NotOgg, NotCopied):
            raise ConversionFailed(BROKEN) from None

    def read_length(self, path: Path) -> float:
        """Return the length in seconds that the positions declare; raises ConversionFailed."""
        try:
            with path.open("rb") as file:
                headers = Headers.read(file, HEADERS)
                return max(0, read_end(file, headers) - _pre_skip(headers)) / RATE
        except NotOgg:
            raise ConversionFailed(BROKEN) from None

    def write_tags(self, path: Path, tags: Tags) -> Head:
        """Return the header pages with other tags; raises ConversionFailed."""
        headers = Headers.of_finished(path, HEADERS)
        head, old = headers.packets
        vendor = read_vendor(old.removeprefix(TAGS_MAGIC))
        return replace_headers(path, headers, [head, TAGS_MAGIC + build_comment_header(tags, vendor)])


def _pre_skip(headers: Headers) -> int:
    return int.from_bytes(headers.packets[0][PRE_SKIP], "little")


def _end(packets: Packets, samples: int, last: int) -> int:
    """Return how many of all `samples` are before the end; `last` is the number of those in the last packet.

    In MP4, only the duration of the packet is shorter.
    """
    if packets.discard or packets.tick > Fraction(1, RATE):
        return samples - packets.discard
    duration = round((packets.durations[-1] - packets.durations[-2]) * packets.tick * RATE)
    return samples - max(0, last - duration)


OPUS: OutputFormat = Opus()
