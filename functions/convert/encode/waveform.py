"""The waveform of an audio track: the peak level in each of 400 equal parts of its length.

FFmpeg measures the filtered audio in windows while it encodes it. Windows grow with their position, so that there are
few, whatever length the container declares: FFmpeg needs about 20 µs for each.

It takes 3 to 5 % of the time of a ten-minute conversion, and 2 % of a clip of ten seconds (2 cores, `make bench
ONLY="waveform-ten-minutes waveform-one-core waveform-ten-seconds"`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, pairwise
from pathlib import Path
from tempfile import TemporaryFile

from ..plan.plan import Plan

PARTS = 400
FULL_SCALE = 255
WINDOWS = 270  # in the declared length; each later window is at most this part of the audio before it
MIN_SECONDS, UNKNOWN_SECONDS = 0.05, 1.0  # assumed if the container declares less, or no length
LEVEL = "lavfi.astats.Overall.Peak_level"
STATISTICS = "astats=threads=1:metadata=1:reset=1:measure_perchannel=none:measure_overall=Peak_level"


class WaveformRecorder:
    """A temporary file to which FFmpeg writes the peak level of each window, at most `max_window` seconds long."""

    def __init__(self, plan: Plan, folder: Path, *, max_window: float) -> None:
        self._file = TemporaryFile(dir=folder)  # noqa: SIM115 - closed on exit
        self._plan = plan
        self._max_window = max_window

    def __enter__(self) -> WaveformRecorder:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def pipe(self) -> int:
        """The file descriptor that FFmpeg writes."""
        return self._file.fileno()

    @property
    def plan(self) -> Plan:
        """The plan with filters that measure its audio and do not change it."""
        (_, first), *later = windows(self._plan.seconds, self._max_window)
        growth = [f"{start:f} asetnsamples@window n {self._samples(window)}" for start, window in later]
        filters = (
            *([f"asendcmd=c='{';'.join(growth)}'"] if growth else ()),
            f"asetnsamples@window=n={self._samples(first)}:p=0",
            STATISTICS,
            rf"ametadata=print:key={LEVEL}:file='pipe\:{self.pipe}'",
        )
        return replace(self._plan, filters=(*self._plan.filters, *filters))

    def read(self, samples: int) -> bytes | None:
        """Return the peak of each part of the audio, up to FULL_SCALE, or None if it is unknown.

        `samples` is the length of the audio, per channel.
        """
        try:
            self._file.seek(0)
            return read_waveform(self._file, samples / self._plan.rate)
        except (OSError, ValueError, ArithmeticError):
            return None

    def _samples(self, window: float) -> int:
        return max(1, math.floor(window * self._plan.rate))


def windows(seconds: float | None, max_window: float) -> Iterator[tuple[float, float]]:
    """Yield each position from which windows have another length, and that length, in seconds.

    `seconds` is the expected length of the audio, None if unknown.
    """
    end = UNKNOWN_SECONDS if seconds is None else max(seconds, MIN_SECONDS)
    start, window = 0.0, end / WINDOWS
    while window < max_window:
        yield start, window
        start, window, end = end, end / WINDOWS, 2 * end
    yield start, max_window


def read_waveform(lines: Iterable[bytes], seconds: float) -> bytes:
    """Return the waveform of audio that is `seconds` long, from FFmpeg's list of levels.

    Raises ValueError or ArithmeticError if the list has no levels or cannot be read.
    """
    levels, last = [-math.inf] * PARTS, 0
    for (start, level), (end, _) in pairwise(chain(_measured(lines), [(seconds, -math.inf)])):
        first = min(max(round(start / seconds * PARTS), 0), PARTS - 1)
        last = min(max(round(end / seconds * PARTS), first + 1), PARTS)
        for part in range(first, last):
            levels[part] = max(levels[part], level)
    if last < PARTS:
        raise ValueError
    return bytes(round(FULL_SCALE * 10 ** (min(level, 0.0) / 20)) for level in levels)


def _measured(lines: Iterable[bytes]) -> Iterator[tuple[float, float]]:
    """Yield the position of each window in seconds, and its peak level in dBFS."""
    start = math.nan
    for line in lines:
        name, _, value = line.rpartition(b"=")
        if name == LEVEL.encode():
            yield start, float(value)
        else:
            start = float(line.rpartition(b"pts_time:")[2])
