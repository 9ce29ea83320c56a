"""The option `copy`: whether a track that has the requested format already is copied instead of encoded again.

An upload's `auto` becomes `never` if it also gives an option that changes the sound. A default of the server for the
bit rate or the quality does not: it says how to encode, if that is necessary.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from soundlift.common.audio.output_formats import ORIGINAL

AUTO, NEVER, ALWAYS = "auto", "never", "always"
COPY_CHOICES = (AUTO, NEVER, ALWAYS)
ENCODING_OPTIONS = ("bitrate", "quality", "normalize")  # a copy cannot have them
CUTS = ("start", "end")  # a copy can have them only approximately


def copy_choice(given: Mapping[str, Any]) -> str:
    """Return what `copy` means together with the fields of AudioOptions that an upload or a job row gives.

    A row of an older release, which has no `copy`, is encoded if the options of a newer one would have been.
    """
    if given.get("format") == ORIGINAL:
        return ALWAYS
    choice = given.get("copy", AUTO)
    return NEVER if choice == AUTO and encoding_options(given) + cuts(given) else str(choice)


def encoding_options(given: Mapping[str, Any]) -> list[str]:
    """Return the given options that a copy cannot have."""
    return [name for name in ENCODING_OPTIONS if given.get(name) is not None and given[name] is not False]


def cuts(given: Mapping[str, Any]) -> list[str]:
    """Return the given options that cut the sound."""
    return [name for name in CUTS if given.get(name)]
