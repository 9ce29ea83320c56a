"""Measures the time from the start of a function's process to its first response."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

from bench.harness.comparison import Goal, Result, Row, Run, Sample, compare
from bench.harness.deployment import temporary_deployment
from bench.harness.processes import peak_mb

READY = """
from functions.{}.handler import app
assert app.test_client().get("/_/ready").status_code == {}
"""
STATUS = {"notify": 503}  # no mail server is running
FUNCTIONS = (
    *("login", "validate", "upload", "jobs", "hooks", "download", "web"),
    *("fetch", "convert", "notify", "webhook", "cleanup"),
)
MAX_SECONDS = dict.fromkeys(FUNCTIONS, 0.6) | {"convert": 1.0}


def cold_start(row: Row, function: str) -> Result:
    """Compare the time from a process's start to the function's first response with importing Flask."""
    with temporary_deployment(LOG_LEVEL="error") as deployment:
        return compare(
            row,
            start_run(READY.format(function, STATUS.get(function, 200)), deployment.environment),
            start_run("import flask", deployment.environment),
        )


def start_run(program: str, environment: dict[str, str]) -> Run:
    """Return a run of a Python program, timed from its start to its last statement, without the process's exit."""

    def run() -> Sample:
        begun = time.perf_counter()
        command = [sys.executable, "-c", f"{program}\nprint(flush=True)\ninput()"]
        with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"\n"
            seconds = time.perf_counter() - begun
            memory = peak_mb(process.pid)
            process.communicate(b"\n")
        return Sample(seconds, memory)

    return run


ROWS: dict[Row, Callable[[Row], Result]] = {
    Row(f"cold-start-{name}", "s", Goal(seconds, of="ours")): partial(cold_start, function=name)
    for name, seconds in MAX_SECONDS.items()
}
