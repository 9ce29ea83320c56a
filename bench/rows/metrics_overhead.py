"""Measures what metrics cost: a conversion, and the start of a function, with METRICS_PORT set and without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from bench.harness.comparison import Goal, Result, Row, compare
from bench.harness.deployment import temporary_deployment
from bench.inputs.clips import clip
from bench.rows.cold_starts import READY, start_run
from bench.rows.conversions import ours, worker
from bench.rows.processor_time import of_worker, per_clip

SECONDS = 10
METRICS = {"METRICS_PORT": "9464"}  # nothing is bound: only gunicorn opens the port
SERVED = "from soundlift.common.metrics import endpoint"
MAX_OVERHEAD = 1.02


def conversion(row: Row) -> Result:
    """Compare the processor time of conversions with and without metrics, which is steadier than their duration.

    The deployments are otherwise the same.
    """
    video = clip(SECONDS)
    with (
        temporary_deployment(**METRICS) as measured,
        temporary_deployment() as plain,
        worker(measured) as measured_pool,
        worker(plain) as plain_pool,
    ):
        return compare(
            row,
            per_clip(ours(measured, measured_pool, video), partial(of_worker, measured_pool)),
            per_clip(ours(plain, plain_pool, video), partial(of_worker, plain_pool)),
        )


def start(row: Row) -> Result:
    """Compare the start of validate with the metrics and its endpoint imported, and without them."""
    ready = READY.format("validate", 200)
    with temporary_deployment(LOG_LEVEL="error") as deployment:
        environment: Mapping[str, str] = deployment.environment
        return compare(
            row, start_run(f"{SERVED}\n{ready}", {**environment, **METRICS}), start_run(ready, dict(environment))
        )


ROWS: dict[Row, Callable[[Row], Result]] = {
    Row("metrics-overhead", "ms", Goal(MAX_OVERHEAD), rounds=9): conversion,
    Row("metrics-cold-start", "s", Goal(0.05, of="added"), rounds=11): start,
}
