"""How long files are kept, and how much disk they take, in the words of `up`."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import click

from soundlift.common.settings import Settings

UNITS = {"week": 7 * 24 * 3600, "day": 24 * 3600, "hour": 3600, "minute": 60, "second": 1}
DURATION = re.compile(r"([1-9][0-9]{0,8}) ?([wdhms])")
MAX_SECONDS = 100 * 365 * UNITS["day"]
GIGABYTE = 10**9


class Duration(click.ParamType[int]):
    """A length of time such as 7d, 12h or 30m, converted to seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the seconds of a text."""
        if isinstance(value, int):
            return value
        match = DURATION.fullmatch(value.strip())
        seconds = int(match[1]) * next(size for unit, size in UNITS.items() if unit[0] == match[2]) if match else 0
        if not 0 < seconds <= MAX_SECONDS:
            self.fail(f"{value!r} is not a length of time such as 7d, 12h or 30m.", param, ctx)
        return seconds


def duration_text(seconds: int) -> str:
    """Return a length of time in the largest unit that fits evenly, such as `7 days`."""
    unit, size = next((unit, size) for unit, size in UNITS.items() if unit != "week" and seconds % size == 0)
    count = seconds // size
    return f"{count} {unit}{'' if count == 1 else 's'}"


def storage_text(settings: Settings) -> str:
    """Return what is kept, for how long, and how much room it takes and has, if it is on this machine."""
    per_user = f", at most {_gigabytes(settings.max_stored_bytes)} for each user" if settings.max_stored_bytes else ""
    kept = f"Videos and their audio files are kept for {duration_text(settings.retention_seconds)}{per_user}"
    folder = settings.soundlift_data / "media"
    if settings.media_url != folder.absolute().as_uri():
        return f"{kept}."
    free = shutil.disk_usage(settings.soundlift_data).free
    return f"{kept}: {_gigabytes(_size(folder))} now, {_gigabytes(free)} free."


def _gigabytes(size: int) -> str:
    return f"{size / GIGABYTE:.1f} GB"


def _size(folder: Path) -> int:
    """Return the size of all files below a folder; those that disappear meanwhile do not count."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(parent) / name).lstat().st_size
            except OSError:
                continue
    return total
