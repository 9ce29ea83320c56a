"""Measures how many tokens per second validate checks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bench.harness.clients import requests_per_second
from bench.harness.comparison import Goal, Result, Row, Sample, compare
from bench.harness.pair import served_with_baseline
from bench.harness.processes import Gunicorn, Memory

CONNECTIONS = 8
REQUESTS = 3000


def validate(row: Row) -> Result:
    """Compare validations per second with a trivial Flask view's responses to the same requests."""
    with served_with_baseline("validate") as pair:
        headers = pair.headers

        def measured(server: Gunicorn) -> Sample:
            with Memory(server.pid) as memory:
                rate = requests_per_second(server.url, headers, connections=CONNECTIONS, requests=REQUESTS)
            return Sample(rate, memory.peak_mb)

        return compare(row, partial(measured, pair.ours), partial(measured, pair.plain))


ROWS: dict[Row, Callable[[Row], Result]] = {
    Row("validate", "requests/s", Goal(0.5, at_least=True), rounds=9): validate,
}
