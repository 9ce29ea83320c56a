"""The encoding of one audio track as planned."""

from __future__ import annotations

from pathlib import Path

from ..plan.plan import Plan
from .encoded import Encoded
from .ffmpeg import input_args
from .levels import measure_levels
from .parallel.encoder import encode_in_parallel
from .progress import watch
from .run_statistics import read_encoded
from .runner import Runner
from .waveform import WaveformRecorder

# FFmpeg's filters and encoder exchange a few frames at a time: the encoder would have to wait for longer windows.
MAX_WINDOW_SECONDS = 0.4


def encode(plan: Plan, runner: Runner, folder: Path, *, cores: int) -> Encoded:
    """Encode a track to a file in a folder, on at most `cores` cores.

    Raises UnreliableTimestamps if the output becomes far longer than planned, and what `Runner.run` raises.
    """
    if plan.needs_levels:
        plan = plan.with_levels(measure_levels(plan, runner))
    output = folder / f"audio{plan.format.facts.suffix}"
    return encode_in_parallel(plan, runner, output, cores=cores) or _encode(plan, runner, output)


def encoding_args(plan: Plan, output: Path) -> list[str]:
    """Return the arguments that encode sound to a file without tags."""
    return [*plan.encoder_args, *plan.format.container_args(), "-y", str(output)]


def _encode(plan: Plan, runner: Runner, output: Path) -> Encoded:
    """Encode with one FFmpeg. It does not report that it stopped at a size limit, so its limit is one byte higher."""
    size = ["-fs", str(runner.settings.max_audio_bytes + 1)]
    with WaveformRecorder(plan, output.parent, max_window=MAX_WINDOW_SECONDS) as recorder:
        track = ["-map", f"0:{plan.track.index}", "-af", ",".join(recorder.plan.filters)]
        arguments = [*input_args(runner.url, plan.lead), *track, *size, *encoding_args(plan, output)]
        outcome = runner.run(arguments, watch(plan, runner), pipes=[recorder.pipe])
        samples = read_encoded(outcome.report)
        waveform = recorder.read(samples)
    return Encoded(plan, output, outcome.status, outcome.report, outcome.seconds, samples, waveform)
