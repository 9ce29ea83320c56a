"""The encoding of sound to MP3 frames on several cores.

One FFmpeg decodes. Its samples go to the encoders in blocks, in turn. Each encoder first receives the end of the
previous block, until it is in the same state as that block's encoder: from then on both produce identical frames, and
the parts can be joined. The result is bit-identical to that of a single encoder. This requires that no frame uses bits
of previous ones (`-reservoir 0`). That makes frames of variable bit rate larger, so they are repacked afterwards.

Ten minutes of video take 0.83 times as long as the bare FFmpeg command (2 cores, `make bench
ONLY=convert-ten-minutes`).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import structlog

from ...formats.mp3_frames import NotMp3
from ...plan.plan import Plan
from ..encoded import Encoded
from ..progress import watch
from ..runner import Runner
from .joining import NotJoined
from .partition import Partition
from .pipeline import Pipeline

log = structlog.get_logger()


def encode_in_parallel(plan: Plan, runner: Runner, output: Path, *, cores: int) -> Encoded | None:
    """Encode a track to a file on several cores; return None if it must be encoded on one core.

    That is the case if the sound is short or of unknown length, if the format cannot be split, or if the parts do not
    join. Raises UnreliableTimestamps, and what `Runner.end` raises. The parts are left in the folder of `output`.
    """
    partition = Partition.of(plan.seconds, plan.rate, cores) if plan.seconds else None
    if partition is None or not plan.format.can_be_split(plan.bitrate):
        return None
    start = partial(Pipeline, runner.url, plan, partition, output.parent, runner.settings)
    with runner.started(lambda: start(stdin=runner.stdin())) as pipeline:
        outcome = runner.end(pipeline, watch(plan, runner))
        try:
            pipeline.write(output)
        except (NotJoined, NotMp3) as error:
            log.warning("parts do not join", error=repr(error))
            return None
    return Encoded(plan, output, outcome.status, outcome.report, outcome.seconds, pipeline.samples)
