"""Measures how many requests a function answers, and how soon after its process starts."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

from bench.clients import requests_per_second
from bench.comparison import Goal, Result, Row, Sample, Way, compare
from bench.processes import Gunicorn, Memory, peak_mb
from bench.stage import stage
from bench.transfers import beside_plain

CONNECTIONS = 8
REQUESTS = 3000
READY = """
from functions.{}.handler import app
assert app.test_client().get("/_/ready").status_code == {}
"""
STATUS = {"notify": 503}  # there is no mail server
FUNCTIONS = ("login", "validate", "upload", "jobs", "download", "convert", "notify", "cleanup")
SOONEST = {"validate": 0.5, "login": 0.8, "convert": 0.8}


def validate(row: Row) -> Result:
    """Compare validations a second with answers of a trivial Flask view to the same request."""
    with beside_plain("validate") as pair:
        headers = pair.headers

        def asking(server: Gunicorn) -> Sample:
            with Memory(server.pid) as memory:
                rate = requests_per_second(server.url, headers, connections=CONNECTIONS, requests=REQUESTS)
            return Sample(rate, memory.peak_mb)

        return compare(row, partial(asking, pair.ours), partial(asking, pair.plain))


def cold_start(row: Row, function: str) -> Result:
    """Compare the time from a process's start until a function has answered that it is ready with importing Flask."""
    with stage(LOG_LEVEL="error") as place:
        return compare(
            row,
            _starting(READY.format(function, STATUS.get(function, 200)), place.environment),
            _starting("import flask", place.environment),
        )


def _starting(program: str, environment: dict[str, str]) -> Way:
    """Return a way that runs a program until it says that it has come to its end; leaving is not counted."""

    def way() -> Sample:
        begun = time.perf_counter()
        command = [sys.executable, "-c", f"{program}\nprint(flush=True)\ninput()"]
        with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"\n"
            seconds = time.perf_counter() - begun
            memory = peak_mb(process.pid)
            process.communicate(b"\n")
        return Sample(seconds, memory)

    return way


ROWS: dict[Row, Callable[[Row], Result]] = {
    Row("validate", "requests/s", Goal(0.8, at_least=True), rounds=9): validate,
    **{
        Row(f"cold-start-{name}", "s", Goal(SOONEST[name], of="ours") if name in SOONEST else None): partial(
            cold_start, function=name
        )
        for name in FUNCTIONS
    },
}
