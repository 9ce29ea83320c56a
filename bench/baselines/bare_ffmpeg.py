"""The bare FFmpeg command, from one file to another."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from bench.harness.comparison import Run, Sample
from bench.harness.processes import Memory
from bench.inputs.clips import ffmpeg


def bare_ffmpeg(video: Path, mp3: Path, quality: Sequence[str]) -> Run:
    """Return a run that converts a video to an MP3 of the given quality."""
    return _bare(video, mp3, ["-c:a", "libmp3lame", *quality])


def bare_copy(video: Path, output: Path) -> Run:
    """Return a run that copies the track of a video."""
    return _bare(video, output, ["-c:a", "copy"])


def _bare(video: Path, output: Path, codec: Sequence[str]) -> Run:
    def run() -> Sample:
        began = time.perf_counter()
        command = ffmpeg("-y", "-i", str(video), "-vn", *codec, str(output))
        with subprocess.Popen(command) as process, Memory(process.pid) as memory:
            assert process.wait() == 0
            seconds = time.perf_counter() - began
        return Sample(seconds, memory.peak_mb)

    return run
