"""The encoding of sound to MP3 frames on several cores.

One FFmpeg decodes. Its samples go to the encoders in blocks, in turn. Each encoder first receives the end of the
previous block, until it is in the same state as that block's encoder: from then on both produce frames with the same
contents, and the parts can be joined. The result sounds, bit by bit, as that of a single encoder.

Frames of high constant bit rates keep their bit reservoir: it is a part of that state. Other frames use no bits of
previous ones (`-reservoir 0`). That makes frames of variable bit rate larger, so they are repacked afterwards.

Ten minutes of video take 0.83 times as long as the bare FFmpeg command (2 cores, `make bench
ONLY=convert-ten-minutes`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import structlog

from ...formats.mp3_frames import NotMp3
from ...plan.plan import Plan
from ..encoded import Encoded
from ..progress import watch
from ..runner import Runner
from ..waveform import WaveformRecorder
from .joining import NotJoined
from .partition import RESERVOIR_RUN_IN, RUN_IN, Partition
from .pipeline import Pipeline, uses_reservoir

MAX_WINDOW_SECONDS = 1.0  # the blocks of the encoders are longer anyway

log = structlog.get_logger()


def encode_in_parallel(plan: Plan, runner: Runner, output: Path, *, cores: int) -> Encoded | None:
    """Encode a track to a file on several cores; return None if it must be encoded on one core.

    That is the case if the sound is short or of unknown length, if the format cannot be split, or if the parts do not
    join. Raises UnreliableTimestamps, and what `Runner.end` raises. The parts are left in the folder of `output`.
    """
    run_in = RESERVOIR_RUN_IN if uses_reservoir(plan.bitrate) else RUN_IN
    partition = Partition.of(plan.seconds, plan.rate, cores, run_in) if plan.seconds else None
    if partition is None or not plan.format.can_be_split(plan.bitrate):
        return None
    with WaveformRecorder(plan, output.parent, max_window=MAX_WINDOW_SECONDS) as recorder:
        start = partial(Pipeline, runner.url, recorder.plan, partition, output.parent, runner.settings)
        return _encode(plan, runner, output, partial(start, pipes=[recorder.pipe]), recorder)


def _encode(
    plan: Plan, runner: Runner, output: Path, start: Callable[..., Pipeline], recorder: WaveformRecorder
) -> Encoded | None:
    with runner.started(lambda: start(stdin=runner.stdin())) as pipeline:
        outcome = runner.end(pipeline, watch(plan, runner))
        try:
            pipeline.write(output)
        except (NotJoined, NotMp3) as error:
            log.warning("parts do not join", error=repr(error))
            return None
    waveform = recorder.read(pipeline.samples)
    return Encoded(plan, output, outcome.status, outcome.report, outcome.seconds, pipeline.samples, waveform)
