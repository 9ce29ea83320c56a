"""The statistics on decoding and encoding in FFmpeg's verbose log at the end of a run."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..probe.ffmpeg_log import own_lines

DECODED = re.compile(
    r"\[in#0/[^\] ]{1,99} @ 0x[0-9a-f]{1,16}\]   Input stream #0:([0-9]{1,9}) \(audio\): "
    r"[0-9]+ packets read \([0-9]+ bytes\); "
    r"([0-9]{1,19}) frames decoded; ([0-9]{1,19}) decode errors \(([0-9]{1,19}) samples\).*"
)
ENCODED = re.compile(
    r"\[out#0/[^\] ]{1,99} @ 0x[0-9a-f]{1,16}\]   Output stream #0:0 \(audio\): "
    r"[0-9]+ frames encoded \(([0-9]{1,19}) samples\).*"
)
CHANGED = re.compile(
    r"\[af#0:0 @ 0x[0-9a-f]{1,16}\] Reconfiguring filter graph because audio parameters changed to .{1,999}"
)


@dataclass(frozen=True)
class Decoded:
    """The frames and samples per channel that were decoded of a track, and the number of errors."""

    frames: int
    errors: int
    samples: int


def read_decoded(report: str, track: int) -> Decoded:
    """Return how much of a track, given by its index in the file, was decoded."""
    for line in own_lines(report):
        if (match := DECODED.fullmatch(line)) and int(match[1]) == track:
            return Decoded(frames=int(match[2]), errors=int(match[3]), samples=int(match[4]))
    return Decoded(0, 0, 0)


def read_encoded(report: str) -> int:
    """Return the number of samples per channel that were encoded."""
    return next((int(match[1]) for line in own_lines(report) if (match := ENCODED.fullmatch(line))), 0)


def reports_change(report: str) -> bool:
    """Return whether the sample rate or the channels of a track changed."""
    return any(CHANGED.fullmatch(line) for line in own_lines(report))
