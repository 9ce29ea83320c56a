"""A child ends with all that it started, however it ends itself."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from soundlift.local.child import Child
from tests.local.running import living_processes
from tests.parts import wait_for

# The grandchild ignores what a terminal or a platform sends to stop a service.
GRANDCHILD = "trap '' HUP INT TERM; exec sleep 600"
PROGRAM = f"""
import subprocess, time
print("began", subprocess.Popen(["/bin/sh", "-c", {GRANDCHILD!r}]).pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    lifeline, held = os.pipe()
    child = Child("parent", [sys.executable, "-c", PROGRAM], os.environ, lifeline=lifeline, log=tmp_path / "a.log")
    yield child
    child.kill()
    for pid in filter(_runs, _grandchildren(child)):
        os.kill(pid, signal.SIGKILL)
    child.close_log()
    os.close(lifeline)
    os.close(held)


def _grandchildren(child: Child) -> list[int]:
    """Return the process ids of the grandchildren that were begun, first to last."""
    lines = child.log.read_text().splitlines() if child.log.exists() else []
    return [int(line.removeprefix("began ")) for line in lines if line.startswith("began ")]


def _runs(pid: int) -> bool:
    return pid in living_processes()


def _die(child: Child) -> None:
    """End the process as a crash would; only who looks after it sees to what it started."""
    (grandchild,) = _grandchildren(child)
    os.kill(living_processes()[grandchild].parent, signal.SIGKILL)
    wait_for(lambda: not child.running, "the process has died")
    assert _runs(grandchild)
    child.look_after()


def _end(child: Child) -> None:
    child.terminate()
    wait_for(lambda: not child.running, "the process has ended")
    child.kill()


@pytest.mark.parametrize("end", [_die, _end, Child.kill], ids=["died", "told to end", "killed"])
def test_what_a_child_has_started_dies_with_it(child: Child, end: Callable[[Child], None]) -> None:
    (grandchild,) = wait_for(lambda: _grandchildren(child), "the grandchild runs")
    end(child)
    assert not child.running
    wait_for(lambda: not _runs(grandchild), "the grandchild has died")
