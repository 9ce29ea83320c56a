"""The formats of audio files: what a video can be converted to, and what a copied track is stored in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ORIGINAL = "original"
"""The value of the option `format` that copies a track as it is, in the format that fits its codec."""


@dataclass(frozen=True)
class AudioFormat:
    """A format of audio files.

    `name` is also the suffix of its files, without the dot. `title` is the name for people.
    """

    name: str
    title: str
    media_type: str

    @property
    def suffix(self) -> str:
        """Return the suffix of file names, with its dot."""
        return f".{self.name}"


MP3 = AudioFormat("mp3", "MP3", "audio/mpeg")
M4A = AudioFormat("m4a", "M4A", "audio/mp4")
OPUS = AudioFormat("opus", "Opus", "audio/ogg")
FLAC = AudioFormat("flac", "FLAC", "audio/flac")
WAV = AudioFormat("wav", "WAV", "audio/wav")
# Only for copied tracks.
OGG = AudioFormat("ogg", "Ogg Vorbis", "audio/ogg")
AC3 = AudioFormat("ac3", "AC-3", "audio/ac3")
EAC3 = AudioFormat("eac3", "E-AC-3", "audio/eac3")
DTS = AudioFormat("dts", "DTS", "audio/vnd.dts")

FORMATS: Mapping[str, AudioFormat] = {each.name: each for each in (MP3, M4A, OPUS, FLAC, WAV, OGG, AC3, EAC3, DTS)}
