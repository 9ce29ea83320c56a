"""All rows, with one module for each kind. A new module declares `ROWS` and is added to `MODULES`."""

from __future__ import annotations

from collections.abc import Callable

from bench.harness.comparison import Result, Row
from bench.rows import (
    admission,
    bit_reservoir,
    claims,
    cold_starts,
    command_start,
    connector,
    conversions,
    copies,
    direct_uploads,
    greedy_clients,
    growth,
    growth_functions,
    growth_queues,
    hostile_text,
    images,
    large_videos,
    memory,
    metrics_overhead,
    overload,
    processor_time,
    resent_bytes,
    resumable_uploads,
    sandbox,
    sign_ins,
    slow_clients,
    stores,
    throughput,
    traces,
    transfers,
    validate,
    waveform,
)

MODULES = (
    conversions,
    copies,
    traces,
    processor_time,
    waveform,
    sandbox,
    large_videos,
    memory,
    metrics_overhead,
    overload,
    throughput,
    admission,
    bit_reservoir,
    transfers,
    stores,
    direct_uploads,
    resumable_uploads,
    resent_bytes,
    validate,
    sign_ins,
    slow_clients,
    greedy_clients,
    cold_starts,
    command_start,
    connector,
    growth,
    growth_functions,
    growth_queues,
    claims,
    hostile_text,
    images,
)
ROWS: dict[str, tuple[Row, Callable[[Row], Result]]] = {
    row.name: (row, measure) for module in MODULES for row, measure in module.ROWS.items()
}
