"""The common part of formats that no track is encoded to."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from soundlift.common.options.audio_options import AudioOptions

from .output_format import Sound
from .usual_format import UsualFormat


class CopiedOnly(UsualFormat):
    """A format only for tracks that are copied; nothing calls the methods that are about encoding."""

    sample_rates = ()
    is_lossless = False
    lead_packets = 0

    def codec(self, sound: Sound) -> NoReturn:
        """Raise AssertionError."""
        raise AssertionError

    def bitrate(self, options: AudioOptions, sound: Sound) -> NoReturn:
        """Raise AssertionError."""
        raise AssertionError

    def encoder_args(self, options: AudioOptions, sound: Sound) -> NoReturn:
        """Raise AssertionError."""
        raise AssertionError

    def container_args(self) -> NoReturn:
        """Raise AssertionError."""
        raise AssertionError

    def can_be_split(self, bitrate: int | None) -> NoReturn:
        """Raise AssertionError."""
        raise AssertionError

    def write_length(self, path: Path, samples: int) -> NoReturn:
        """Raise AssertionError."""
        raise AssertionError
