"""Finds out whether a track's timestamps run at the pace of its sound: where they do not, they place no sound."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from .ffmpeg_log import QUOTED
from .report import INPUT

# Demuxers of streams that are nothing but frames: FFmpeg computes their timestamps from where in the file a frame is,
# so that junk between two frames becomes silence.
WITHOUT_TIMESTAMPS = frozenset({"aac", "ac3", "amr", "dts", "eac3", "mp3"})
FRAMES_LOOKED_AT = 20_000
# In frames: enough that the rounding of a container's clock to milliseconds is small beside them, and so few that most
# windows have no gap where one packet in ten was lost.
WINDOW, FEWEST_WINDOWS = 4, 16
MOST_APART = 0.01
# A line of FFmpeg's framecrc: stream, time of decoding, time of presentation, duration, and more.
FRAME = re.compile(rb" *0, *-?[0-9]{1,18}, *(-?[0-9]{1,18}), *([0-9]{1,18}),.{1,200}\n")


def has_timestamps(report: str) -> bool:
    """Return whether the container that a report shows has timestamps of its own."""
    inputs = (line.removeprefix(INPUT) for line in report.split("\n") if line.startswith(QUOTED))
    return not any(line.split(",", 1)[0] in WITHOUT_TIMESTAMPS for line in inputs)


def listing_frames(output: Path) -> list[str]:
    """Return the arguments that list the time and duration of a track's first frames in a file."""
    return ["-c:a", "pcm_s16le", "-frames:a", str(FRAMES_LOOKED_AT), "-f", "framecrc", "-y", str(output)]


def pace(file: Path) -> float:
    """Return how fast the timestamps in a list of frames run, 1 where they run as fast as the sound.

    It is the median of several short parts: a gap here and there, or a few overlaps, do not change it.
    """
    frames = list(_frames(file))
    size = WINDOW if len(frames) >= FEWEST_WINDOWS * WINDOW else 1
    windows = zip(frames, frames[size:], strict=False)
    paces = [(end - begin) / (played_then - played) for (begin, played), (end, played_then) in windows]
    return median(paces) if paces else 1.0


def _frames(file: Path) -> Iterator[tuple[int, int]]:
    """Yield of each frame its time, and how much was played before it."""
    played = 0
    with file.open("rb") as lines:
        for line in lines:
            if (match := FRAME.fullmatch(line)) and (duration := int(match[2])):
                yield int(match[1]), played
                played += duration
