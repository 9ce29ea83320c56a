"""The encoding of one audio track as planned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from soundlift.common.audio.output_formats import ORIGINAL
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.options.copying import NEVER

from ..formats.mp3 import MP3
from ..formats.output_format import OutputFormat, Sound
from ..formats.registry import ENCODED
from ..plan.plan import Plan
from .encoded import Encoded
from .ffmpeg import input_args
from .levels import measure_levels
from .parallel.encoder import encode_in_parallel
from .progress import watch
from .run_statistics import read_encoded
from .runner import Runner
from .waiting import Output
from .waveform import WaveformRecorder

# FFmpeg's filters and encoder exchange a few frames at a time: the encoder would have to wait for longer windows.
MAX_WINDOW_SECONDS = 0.4
USUAL_SOUND = Sound(44100, 2)


def encode(plan: Plan, runner: Runner, folder: Path, *, cores: int) -> Encoded:
    """Encode a track to a file in a folder, on at most `cores` cores.

    Raises UnreliableTimestamps if the output becomes far longer than planned, and what `Runner.run` raises.
    """
    if plan.needs_levels:
        plan = plan.with_levels(measure_levels(plan, runner))
    output = folder / f"audio{plan.format.facts.suffix}"
    return encode_in_parallel(plan, runner, output, cores=cores) or _encode(plan, runner, output)


def usual_output(options: AudioOptions, runner: Runner, folder: Path) -> Output | None:
    """Return the output in which most tracks are encoded; None if most are not, because they are copied.

    FFmpeg encodes these tracks in the process that probes the file; see `Runner.probe`.
    """
    if options.format == ORIGINAL or (options.copy != NEVER and options.format != MP3.facts.name):
        return None
    output_format = ENCODED[options.format]
    arguments = _output_args(output_format, output_format.encoder_args(options, USUAL_SOUND), runner)
    return Output(arguments, folder / f"first{output_format.facts.suffix}")


def _output_args(output_format: OutputFormat, encoder_args: Sequence[str], runner: Runner) -> list[str]:
    """Return the arguments that encode sound to a file without tags.

    FFmpeg does not report that it stopped at a size limit, so its limit is one byte higher.
    """
    return ["-fs", str(runner.settings.max_audio_bytes + 1), *encoder_args, *output_format.container_args()]


def _encode(plan: Plan, runner: Runner, output: Path) -> Encoded:
    """Encode with one FFmpeg: the one that waits since it has probed the file, if it was started for such an output."""
    recorder = WaveformRecorder(plan, runner.levels, max_window=MAX_WINDOW_SECONDS)
    track, filters = plan.track.index, ",".join(recorder.plan.filters)
    arguments = _output_args(plan.format, plan.encoder_args, runner)
    waiting = None if plan.lead else runner.waits_for(arguments)
    if waiting:
        outcome = runner.resume(track, filters, watch(plan, runner))
    else:
        filtered = [*input_args(runner.url, plan.lead), "-map", f"0:{track}", "-af", filters]
        outcome = runner.run([*filtered, *arguments, "-y", str(output)], watch(plan, runner), pipes=[recorder.pipe])
    samples = read_encoded(outcome.report)
    waveform = recorder.read(samples)
    return Encoded(plan, waiting or output, outcome.status, outcome.report, outcome.seconds, samples, waveform)
