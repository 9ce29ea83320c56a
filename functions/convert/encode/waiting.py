"""An FFmpeg that has reported what is in a video, and waits for the filters of its last output.

FFmpeg opens its inputs before it reads the options of its outputs. It reads the value of an option that begins with
`-/` from a file, here from a pipe. So the process that probes a video can encode it as planned afterwards: one start of
FFmpeg less, of the 120 ms of processor time that a clip of ten seconds would take 13 (`make bench
ONLY=clip-processor-time`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .ffmpeg import Ffmpeg

TRACK, FILTERS = "map", "af"
FIRST_TRACK = "0:a:0"
NOTHING = "atrim=end_sample=0"  # a filter that lets no sound through, so that FFmpeg soon ends


@dataclass(frozen=True)
class Output:
    """An output of FFmpeg: its arguments, except for the track, the filters and the path, and its path."""

    arguments: Sequence[str]
    path: Path


class WaitingFfmpeg:
    """A process that opens its inputs and outputs, except for the last one, which waits for a track and filters.

    `start` starts FFmpeg with further arguments and descriptors. `is_waiting` also if FFmpeg has ended meanwhile.
    """

    def __init__(self, start: Callable[[Sequence[str], Sequence[int]], Ffmpeg], output: Output) -> None:
        self.output = output
        pipes = {name: os.pipe() for name in (TRACK, FILTERS)}
        options = [word for name, (read, _) in pipes.items() for word in (f"-/{name}", f"pipe:{read}")]
        self._writes = {name: write for name, (_, write) in pipes.items()}
        try:
            self.ffmpeg = start(
                [*options, *output.arguments, "-y", str(output.path)], [end for end, _ in pipes.values()]
            )
        except BaseException:
            self._write({})
            raise
        finally:
            for read, _ in pipes.values():
                os.close(read)

    @property
    def is_waiting(self) -> bool:
        """Return whether the output has neither a track nor filters yet."""
        return bool(self._writes)

    def waits_for(self, arguments: Sequence[str]) -> bool:
        """Return whether it can still write an output with these arguments."""
        return self.is_waiting and [*arguments] == [*self.output.arguments]

    def resume(self, track: str, filters: str) -> None:
        """Let FFmpeg write its output from a track."""
        self._write({TRACK: track, FILTERS: filters})

    def close(self) -> None:
        """End FFmpeg if it still runs, and release its resources."""
        self._write({})
        self.ffmpeg.close()

    def _write(self, values: dict[str, str]) -> None:
        """Write the values of the options; an option without a value ends FFmpeg."""
        writes, self._writes = self._writes, {}
        for name, write in writes.items():
            with suppress(BrokenPipeError), os.fdopen(write, "w") as pipe:  # FFmpeg may have ended
                pipe.write(values.get(name, ""))
