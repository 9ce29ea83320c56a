"""The interface of an audio format that a video can be converted to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from soundlift.common.audio.output_formats import AudioFormat
from soundlift.common.options.audio_options import AudioOptions

from ..probe.audio_track import AudioTrack
from ..probe.metadata import Chapter
from ..probe.packets import Packets


class NotCopied(Exception):
    """The copy of a track would not have the sound of the track; the message is the reason."""


@dataclass(frozen=True)
class Tags:
    """The tags of an audio file, independent of its format.

    `texts` has FFmpeg's names of metadata as keys, in the order in which they are written. `language` is a BCP 47 tag
    or an ISO 639-2 code. `chapters` are on the timeline of the audio file. `cover` is the content of a picture file,
    empty if there is none.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    language: str | None = None
    chapters: Sequence[Chapter] = ()
    cover: bytes = b""


@dataclass(frozen=True)
class Sound:
    """The sound that an encoder receives: its sample rate in Hz, its channels, and the bits of a sample."""

    rate: int
    channels: int
    bits: int = 16
    is_float: bool = False


@dataclass(frozen=True)
class Head:
    """The bytes with which a stored audio file begins, instead of the first `replaces` bytes of the local file.

    A tag before the sound can then have any size, although nothing of the local file is moved.
    """

    content: bytes = b""
    replaces: int = 0


class OutputFormat(Protocol):
    """An audio format. To add one, write a module like `mp3` in this folder, and list it in `registry`.

    `sample_rates` are the allowed rates in Hz, in ascending order; if it is empty, all are. A lossless format keeps the
    samples of the track. `carried_codecs` are FFmpeg's names of the codecs that files of the format can have, and
    `copied_codecs` those with which a track already is what a request for the format means. A copied part of a track is
    exact to the sample if `lead_packets` before it are copied, too; if it is 0, packets stay whole.
    """

    @property
    def facts(self) -> AudioFormat: ...  # noqa: D102 - described by the class
    @property
    def sample_rates(self) -> Sequence[int]: ...  # noqa: D102
    @property
    def is_lossless(self) -> bool: ...  # noqa: D102
    @property
    def carried_codecs(self) -> frozenset[str]: ...  # noqa: D102
    @property
    def copied_codecs(self) -> frozenset[str]: ...  # noqa: D102

    @property
    def lead_packets(self) -> int: ...  # noqa: D102

    def codec(self, sound: Sound) -> str:
        """Return the name of the codec that a sound is encoded with, as FFmpeg reports it for a file."""

    def bitrate(self, options: AudioOptions, sound: Sound) -> int | None:
        """Return the constant bit rate in kbit/s for a sound, or None if it varies."""

    def encoder_args(self, options: AudioOptions, sound: Sound) -> tuple[str, ...]:
        """Return FFmpeg's arguments for the codec and its quality."""

    def container_args(self) -> tuple[str, ...]:
        """Return FFmpeg's arguments for the container, without any metadata."""

    def copied_codec(self, track: AudioTrack) -> str:
        """Return FFmpeg's name of the codec that a copy of a track has."""

    def copy_args(self, track: AudioTrack) -> tuple[str, ...]:
        """Return FFmpeg's arguments, besides `-c:a copy`, for a copy of a track without any metadata."""

    def complete_copy(self, path: Path, packets: Packets) -> int:
        """Let players play a copied file without the samples that `packets` skips and discards.

        Return its length in samples per channel, at the track's rate. Raises NotCopied if it cannot be exact.
        """

    def can_be_split(self, bitrate: int | None) -> bool:
        """Return whether `encode.parallel` can encode this bit rate on several cores without audible loss."""

    def write_length(self, path: Path, samples: int) -> None:
        """Write the exact length, in samples per channel, to a file; raises ConversionFailed."""

    def read_length(self, path: Path) -> float:
        """Return the length of a file in seconds, as players show it; raises ConversionFailed."""

    def write_tags(self, path: Path, tags: Tags) -> Head:
        """Write tags to a file, or return the beginning of the file that contains them."""
