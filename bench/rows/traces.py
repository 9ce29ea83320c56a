"""Measures what traces cost a conversion, with a collector on this machine that receives them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from bench.harness.comparison import Goal, Result, Row, Run, compare
from bench.harness.deployment import Deployment, temporary_deployment
from bench.inputs.clips import clip
from bench.rows.conversions import ours, worker
from bench.rows.processor_time import of_worker, per_clip
from devservers.otlp_receiver import OtlpReceiver

GOAL = Goal(1.05)


def overhead(row: Row, seconds: int, *, processor_time: bool = False) -> Result:
    """Compare the duration, or the processor time, of a conversion that is recorded with that of one that is not."""
    video = clip(seconds)

    def run(deployment: Deployment, pool: ProcessPoolExecutor) -> Run:
        conversion = ours(deployment, pool, video)
        return per_clip(conversion, partial(of_worker, pool)) if processor_time else conversion

    with (
        OtlpReceiver() as receiver,
        temporary_deployment(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url) as traced,
        temporary_deployment() as plain,
        worker(traced) as recording,
        worker(plain) as other,
    ):
        result = compare(row, run(traced, recording), run(plain, other))
        assert {"convert", "probe", "mp3s.commit"} <= {span.name for span in receiver.spans}
        return result


ROWS: dict[Row, Callable[[Row], Result]] = {
    Row("traces-overhead", "s", GOAL): partial(overhead, seconds=600),
    Row("traces-overhead-clip", "ms", GOAL): partial(overhead, seconds=10, processor_time=True),
}
