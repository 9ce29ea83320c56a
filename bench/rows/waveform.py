"""Measures what the waveform adds to a conversion: the time with it and without it, on one core and on two."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bench.harness.comparison import Goal, Result, Row, compare
from bench.harness.deployment import temporary_deployment
from bench.inputs.clips import clip
from bench.rows.conversions import ours, worker

GOAL = Goal(1.03)


def added(row: Row, *, seconds: int, cores: int) -> Result:
    """Compare conversions with and without a waveform."""
    video = clip(seconds)
    with (
        temporary_deployment(CONVERT_CONCURRENCY=str(cores)) as deployment,
        worker(deployment) as with_waveform,
        worker(deployment) as without,
    ):
        without.submit(_leave_out_waveform).result()
        return compare(row, ours(deployment, with_waveform, video), ours(deployment, without, video))


def _leave_out_waveform() -> None:
    """Make this process encode sound without the filters that measure it."""
    from functions.convert.encode import encoder
    from functions.convert.encode.parallel import encoder as parallel_encoder
    from functions.convert.encode.waveform import WaveformRecorder
    from functions.convert.plan.plan import Plan

    class NoWaveform(WaveformRecorder):
        @property
        def plan(self) -> Plan:
            return self._plan

    for module in (encoder, parallel_encoder):
        module.WaveformRecorder = NoWaveform  # type: ignore[attr-defined]


ROWS: dict[Row, Callable[[Row], Result]] = {
    Row("waveform-ten-minutes", "s", GOAL, rounds=9): partial(added, seconds=600, cores=2),
    Row("waveform-one-core", "s", GOAL, rounds=9): partial(added, seconds=600, cores=1),
    Row("waveform-ten-seconds", "s", GOAL, rounds=25): partial(added, seconds=10, cores=1),
}
