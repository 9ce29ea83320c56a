"""The formats of audio files: what a video can be converted to, and what a copied track is stored in.

How to encode them is known only to the convert function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from soundlift.common.audio import mp3_rates

ORIGINAL = "original"
"""The value of the option `format` that copies a track as it is, in the format that fits its codec."""

ORIGINAL_OPTIONS = frozenset({"format", "copy", "start", "end", "track", "tags", "cover", "webhook"})
LOSSLESS_OPTIONS = ORIGINAL_OPTIONS | {"channels", "sample_rate", "normalize"}


@dataclass(frozen=True, kw_only=True)
class AudioFormat:
    """A format of audio files, whose `name` is also their suffix, without the dot.

    `title` is the name for people. `options` are the names of the options of an upload that it knows, besides the tags,
    which all know; it is empty for a format that only results from a request for the original track. `bitrates` are
    those that can be requested, in kbit/s. `highest_bitrate` returns the highest of them at a sample rate in Hz, for a
    format that knows both.
    """

    name: str
    title: str
    media_type: str
    options: frozenset[str] = frozenset()
    bitrates: Sequence[int] = ()
    highest_bitrate: Callable[[int], int] | None = None

    @property
    def suffix(self) -> str:
        """Return the suffix of a file's name, with its dot."""
        return f".{self.name}"


def _highest_aac_bitrate(sample_rate: int) -> int:
    """Return what two channels can use: 6144 bits each for 1024 samples (ISO/IEC 14496-3, section 4.5.3)."""
    return min(AAC_BITRATES[-1], 2 * 6 * sample_rate // 1000)


AAC_BITRATES = range(64, 321)

MP3 = AudioFormat(
    name="mp3",
    title="MP3",
    media_type="audio/mpeg",  # RFC 3003
    options=LOSSLESS_OPTIONS | {"bitrate", "quality"},
    bitrates=mp3_rates.BITRATES,
    highest_bitrate=mp3_rates.highest_bitrate,
)
M4A = AudioFormat(
    name="m4a",
    title="M4A",
    media_type="audio/mp4",  # RFC 4337
    options=LOSSLESS_OPTIONS | {"bitrate"},
    bitrates=AAC_BITRATES,
    highest_bitrate=_highest_aac_bitrate,
)
OPUS = AudioFormat(
    name="opus",
    title="Opus",
    media_type="audio/ogg",  # RFC 7845, section 9
    options=LOSSLESS_OPTIONS - {"sample_rate"} | {"bitrate"},  # its sample rate is always 48000 Hz
    bitrates=range(16, 257),
)
FLAC = AudioFormat(name="flac", title="FLAC", media_type="audio/flac", options=LOSSLESS_OPTIONS)  # RFC 9639
# The media type that programs know; RFC 2361 registers audio/vnd.wave.
WAV = AudioFormat(name="wav", title="WAV", media_type="audio/wav", options=LOSSLESS_OPTIONS)
# Only for copied tracks.
OGG = AudioFormat(name="ogg", title="Ogg Vorbis", media_type="audio/ogg")  # RFC 5334
AC3 = AudioFormat(name="ac3", title="AC-3", media_type="audio/ac3")  # RFC 4184
EAC3 = AudioFormat(name="eac3", title="E-AC-3", media_type="audio/eac3")  # RFC 4598
DTS = AudioFormat(name="dts", title="DTS", media_type="audio/vnd.dts")

FORMATS: Mapping[str, AudioFormat] = {each.name: each for each in (MP3, M4A, OPUS, FLAC, WAV, OGG, AC3, EAC3, DTS)}
REQUESTABLE = (*(each.name for each in FORMATS.values() if each.options), ORIGINAL)
"""The values of the option `format`."""


def known_options(requested: str) -> frozenset[str]:
    """Return the names of the options, besides the tags, that a value of the option `format` knows."""
    return ORIGINAL_OPTIONS if requested == ORIGINAL else FORMATS[requested].options


def requested_title(requested: str) -> str:
    """Return what people call a value of the option `format`."""
    return "The original track" if requested == ORIGINAL else FORMATS[requested].title
