"""Measures how soon after the start of its process a function gives its first answer."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

from bench.harness.comparison import Goal, Result, Row, Sample, Way, compare
from bench.harness.processes import peak_mb
from bench.harness.stage import stage

READY = """
from functions.{}.handler import app
assert app.test_client().get("/_/ready").status_code == {}
"""
STATUS = {"notify": 503}  # there is no mail server
FUNCTIONS = ("login", "validate", "upload", "jobs", "download", "convert", "notify", "cleanup")
LONGEST_SECONDS = dict.fromkeys(FUNCTIONS, 0.6) | {"convert": 1.0}


def cold_start(row: Row, function: str) -> Result:
    """Compare the time from a process's start to a function's first answer with importing Flask."""
    with stage(LOG_LEVEL="error") as place:
        return compare(
            row,
            _starting(READY.format(function, STATUS.get(function, 200)), place.environment),
            _starting("import flask", place.environment),
        )


def _starting(program: str, environment: dict[str, str]) -> Way:
    """Return a way that runs a program to its end; the time that the process takes to exit is not counted."""

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
    Row(f"cold-start-{name}", "s", Goal(seconds, of="ours")): partial(cold_start, function=name)
    for name, seconds in LONGEST_SECONDS.items()
}
