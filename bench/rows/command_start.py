"""Measures how long the `soundlift` command takes to start."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial

from bench.harness.comparison import Goal, Result, Row, Sample, compare

STARTS = 5
ARGUMENTS = ("jobs", "--help")
ALL_AT_ONCE = """
from pkgutil import resolve_name
from soundlift.cli.main import COMMANDS, main
for place in COMMANDS.values():
    resolve_name(place)
main()
"""


def command_start(row: Row) -> Result:
    """Compare the processor time of a start in milliseconds with that of one that imports every command's module."""
    return compare(row, partial(_processor_ms, "-m", "soundlift.cli"), partial(_processor_ms, "-c", ALL_AT_ONCE))


def _processor_ms(*program: str) -> Sample:
    before = os.times()
    for _ in range(STARTS):
        subprocess.run([sys.executable, *program, *ARGUMENTS], check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    seconds = after.children_user - before.children_user + after.children_system - before.children_system
    return Sample(1000 * seconds / STARTS)


ROWS: dict[Row, Callable[[Row], Result]] = {
    Row("command-start", "ms CPU", Goal(0.9)): command_start,
}
