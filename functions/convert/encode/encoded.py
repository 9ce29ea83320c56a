"""The result of encoding a track."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..plan.plan import Plan
from .run_statistics import Decoded, read_decoded


class UnreliableTimestamps(Exception):
    """The timestamps of a track do not advance at the pace of its sound."""


@dataclass(frozen=True)
class Encoded:
    """An encoded file that is not checked yet, with FFmpeg's exit status and report.

    `seconds` is the position on the output's timeline at which FFmpeg ended. `samples` is the number of samples per
    channel that were encoded, at the plan's rate. `waveform` is that of `WaveformRecorder`, None if unknown. `copied`
    is what a copied track would decode to, None for an encoded one; the plan's options have the real start and end of a
    copied part.
    """

    plan: Plan
    path: Path
    status: int
    report: str
    seconds: float
    samples: int
    waveform: bytes | None
    copied: Decoded | None = None

    @property
    def decoded(self) -> Decoded:
        """Return how much of the track was decoded, or would be."""
        return self.copied or read_decoded(self.report, self.plan.track.index)

    @property
    def size(self) -> int:
        """Return the size of the file in bytes, 0 if FFmpeg did not create it."""
        return self.path.stat().st_size if self.path.exists() else 0
