"""The first of two passes, which measures the levels of a track."""

from __future__ import annotations

import re

from ..plan.loudness import Levels
from ..plan.plan import Plan
from ..probe.ffmpeg_log import CONTEXT, own_lines
from .ffmpeg import input_args
from .runner import Runner

PROGRESS_PERCENTS = 20
# Each pattern is matched against one of FFmpeg's own lines; loudnorm prints JSON, with one value per line.
PEAK = re.compile(CONTEXT + r"Peak level dB: (-?[0-9]{1,9}\.[0-9]{1,9}|-?inf)")
SAMPLES = re.compile(CONTEXT + r"Number of samples: ([0-9]{1,19})")
LOUDNESS = re.compile(r'\t"(input_i|input_tp|input_lra|input_thresh|target_offset)" : "(-?[0-9]{1,9}\.[0-9]{1,9})",?')
LOUDNESS_VALUES = 5


def measure_levels(plan: Plan, runner: Runner) -> Levels:
    """Measure the levels of a planned track by decoding all of it."""
    track = ["-map", f"0:{plan.track.index}", "-af", ",".join(plan.measuring_filters), "-f", "null", "-"]
    on_progress = runner.progress(plan.seconds, percents=PROGRESS_PERCENTS)
    return read_levels(runner.run([*input_args(runner.url, plan.lead), *track], on_progress).report)


def read_levels(report: str) -> Levels:
    """Return the levels in a report. Sound that is silent or too short to measure has no loudness."""
    lines = own_lines(report)
    peaks = [match[1] for line in lines if (match := PEAK.fullmatch(line))]
    samples = [match[1] for line in lines if (match := SAMPLES.fullmatch(line))]
    loudness = {match[1]: match[2] for line in lines if (match := LOUDNESS.fullmatch(line))}
    return Levels(
        peak=float(peaks[-1]) if peaks else float("-inf"),
        samples=int(samples[-1]) if samples else 0,
        loudness=loudness if len(loudness) == LOUDNESS_VALUES else None,
    )
