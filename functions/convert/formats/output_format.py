"""The interface of an audio format that a video can be converted to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from soundlift.common.options.audio_options import AudioOptions

from ..probe.metadata import Chapter


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


class OutputFormat(Protocol):
    """An audio format. To add one, write a module like `mp3` in this folder.

    `suffix` begins with a dot. `sample_rates` are the allowed rates in Hz, in ascending order.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - described by the class
    @property
    def suffix(self) -> str: ...  # noqa: D102
    @property
    def media_type(self) -> str: ...  # noqa: D102
    @property
    def sample_rates(self) -> Sequence[int]: ...  # noqa: D102

    def bitrate(self, options: AudioOptions, rate: int) -> int | None:
        """Return the constant bit rate in kbit/s at a sample rate in Hz, or None if it varies."""

    def encoder_args(self, options: AudioOptions, rate: int) -> tuple[str, ...]:
        """Return FFmpeg's arguments for the codec and its quality, at a sample rate in Hz."""

    def container_args(self) -> tuple[str, ...]:
        """Return FFmpeg's arguments for the container, without any metadata."""

    def can_be_split(self, bitrate: int | None) -> bool:
        """Return whether `encode.parallel` can encode this bit rate on several cores without audible loss."""

    def write_length(self, path: Path, samples: int) -> None:
        """Write the exact length, in samples per channel, to a file; raises ConversionFailed."""

    def read_length(self, path: Path) -> float:
        """Return the length of a file in seconds, as players show it; raises ConversionFailed."""

    def write_tags(self, path: Path, tags: Tags) -> bytes:
        """Write tags to a file, or return the bytes of a tag that must be stored before the file."""
