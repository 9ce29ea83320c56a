"""The check that a track's timestamps advance at the pace of its sound; if not, they are unreliable."""

from __future__ import annotations

import math
from pathlib import Path

from ..plan.filters import BY_TIMESTAMPS
from ..plan.plan import Plan
from ..probe.probe import Probe
from .encoded import Encoded, UnreliableTimestamps
from .ffmpeg import input_args
from .pace import MAX_DEVIATION, frame_list_args, measure_pace
from .progress import limit_to
from .run_statistics import read_decoded, read_encoded
from .runner import Runner

# The share of the decoded sound, and the seconds, that may be dropped because timestamps overlap. An encoder's padding
# looks like an overlap.
MAX_DROPPED_SHARE, MAX_DROPPED_SECONDS = 0.02, 0.1
# If more than this was added, there is a gap, or the timestamps advance faster than the sound.
MAX_ADDED_SHARE, MAX_ADDED_SECONDS = 0.02, 0.1
FRAMES_AHEAD = 16  # FFmpeg may decode these after it has written enough: its queues hold 8


def check_timestamps(encoded: Encoded, probe: Probe, runner: Runner, folder: Path) -> None:
    """Raise UnreliableTimestamps if a track's timestamps advance slower or faster than its sound.

    Then some of the sound is dropped, or there are gaps. If all requested sound was written, FFmpeg has decoded a few
    more frames, and if nothing was written, it is unknown how much was dropped. In these cases the track is decoded
    again, as a whole.
    """
    plan, decoded = encoded.plan, encoded.decoded
    if not plan.by_timestamps or not plan.track.rate or not decoded.frames or encoded.status:
        return
    seconds = decoded.samples / plan.track.rate
    written = plan.options.start + encoded.samples / plan.rate
    end = math.inf if plan.options.end is None else plan.options.end
    if encoded.samples and written < end - MAX_DROPPED_SECONDS:
        drops = _drops(seconds, written)
    else:
        ahead = FRAMES_AHEAD * seconds / decoded.frames
        drops = (not encoded.samples or _drops(seconds - ahead, written)) and _drops_in_whole_track(plan, runner)
    if drops or (_differs(encoded, probe) and _has_other_pace(plan, runner, folder)):
        raise UnreliableTimestamps


def _differs(encoded: Encoded, probe: Probe) -> bool:
    """Return whether the written length differs from the decoded length, or is unknown; a gap is a possible reason."""
    plan, decoded, written = encoded.plan, encoded.decoded, encoded.samples / encoded.plan.rate
    seconds, late = decoded.samples / (plan.track.rate or 0), max(0.0, plan.track.start - probe.start - probe.lead)
    ahead = 0.0 if plan.options.end is None else FRAMES_AHEAD * seconds / decoded.frames
    dropped = seconds - (plan.options.start + written - late)
    return (
        not written
        or dropped - ahead > MAX_DROPPED_SECONDS
        or -dropped > max(MAX_ADDED_SECONDS, MAX_ADDED_SHARE * seconds)
    )


def _has_other_pace(plan: Plan, runner: Runner, folder: Path) -> bool:
    """Return whether the timestamps advance slower or faster than the sound throughout the track."""
    file = folder / "frames"
    runner.run([*input_args(runner.url), "-map", f"0:{plan.track.index}", *frame_list_args(file)])
    return file.exists() and abs(measure_pace(file) - 1) > MAX_DEVIATION


def _drops_in_whole_track(plan: Plan, runner: Runner) -> bool:
    """Return whether FFmpeg drops sound if it places the whole track by its timestamps."""
    track = ["-map", f"0:{plan.track.index}", "-af", BY_TIMESTAMPS, "-f", "null", "-"]
    report = runner.run([*input_args(runner.url, plan.lead), *track], limit_to(plan.max_seconds)).report
    rate = plan.track.rate or plan.rate
    return _drops(read_decoded(report, plan.track.index).samples / rate, read_encoded(report) / rate)


def _drops(decoded: float, written: float) -> bool:
    """Return whether fewer seconds were written than decoded, beyond what a splice or padding explains."""
    return decoded - written > max(MAX_DROPPED_SECONDS, MAX_DROPPED_SHARE * decoded)
