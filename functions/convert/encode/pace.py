"""The pace at which a track's timestamps advance, relative to its sound."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median

MAX_FRAMES = 20_000
# A window is long enough that rounding to a container's clock of milliseconds matters little, and short enough that
# most windows have no gap if one packet in ten was lost.
WINDOW, MIN_WINDOWS = 4, 16
MAX_DEVIATION = 0.01
# A line of FFmpeg's framecrc: stream, decoding time, presentation time, duration, and more.
FRAME = re.compile(rb" *0, *-?[0-9]{1,18}, *(-?[0-9]{1,18}), *([0-9]{1,18}),.{1,200}\n")


def frame_list_args(output: Path) -> list[str]:
    """Return the arguments that write the time and duration of a track's first frames to a file."""
    return ["-c:a", "pcm_s16le", "-frames:a", str(MAX_FRAMES), "-f", "framecrc", "-y", str(output)]


def measure_pace(file: Path) -> float:
    """Return how fast the timestamps in a list of frames advance; 1 means as fast as the sound.

    The result is the median of many short windows, which single gaps or overlaps do not change.
    """
    frames = list(_frames(file))
    size = WINDOW if len(frames) >= MIN_WINDOWS * WINDOW else 1
    windows = zip(frames, frames[size:], strict=False)
    paces = [(end - begin) / (played_then - played) for (begin, played), (end, played_then) in windows]
    return median(paces) if paces else 1.0


def _frames(file: Path) -> Iterator[tuple[int, int]]:
    """Yield the time of each frame and the total duration of the frames before it."""
    played = 0
    with file.open("rb") as lines:
        for line in lines:
            if (match := FRAME.fullmatch(line)) and (duration := int(match[2])):
                yield int(match[1]), played
                played += duration
