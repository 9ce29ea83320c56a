"""A child ends with all that it started, however it ends itself."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from devservers.local_stack import living_processes
from devservers.waiting import wait_for
from soundlift.local.child import Child

# The grandchild ignores what a terminal or a platform sends to stop a service.
GRANDCHILD = "trap '' HUP INT TERM; exec sleep 600"
PROGRAM = f"""
import subprocess, time
print("began", subprocess.Popen(["/bin/sh", "-c", {GRANDCHILD!r}]).pid, flush=True)
time.sleep(600)
"""


@contextmanager
def _running(program: str, folder: Path) -> Iterator[Child]:
    lifeline, held = os.pipe()
    child = Child("parent", [sys.executable, "-c", program], os.environ, lifeline=lifeline, log=folder / "a.log")
    try:
        yield child
    finally:
        child.kill()
        for pid in filter(_runs, _grandchildren(child)):
            with suppress(ProcessLookupError):  # it may have died since
                os.kill(pid, signal.SIGKILL)
        child.close_log()
        os.close(lifeline)
        os.close(held)


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    with _running(PROGRAM, tmp_path) as child:
        yield child


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


@pytest.mark.parametrize(
    ("program", "ending"),
    [
        ("raise SystemExit(3)", "ended with exit code 3"),
        ("pass", "ended with exit code 0"),
        ("os.kill(os.getpid(), 9)", "was ended by SIGKILL"),
    ],
)
def test_the_terminal_says_how_a_child_ended_and_where_its_log_is(
    program: str, ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with _running(f"import os; {program}", tmp_path) as child:
        wait_for(lambda: not child.running, "the process has ended")
        child.look_after()
        said = capsys.readouterr().out
        assert re.fullmatch(rf"parent {ending}; it starts again in [\d.]+ s \(log: {child.log}\)\n", said)


def test_a_childs_log_has_what_it_says_and_its_errors(tmp_path: Path) -> None:
    with _running("import os; os.write(1, b'said\\n'); os.write(2, b'failed\\n')", tmp_path) as child:
        wait_for(lambda: not child.running, "the process has ended")
    assert child.log.read_text() == "said\nfailed\n"


def test_a_child_has_a_lifeline_and_nothing_of_the_terminal(tmp_path: Path) -> None:
    program = """
import os, sys
os.fstat(int(os.environ["LIFELINE_FD"]))
print("read", repr(sys.stdin.read()), "in a session of its own:", os.getsid(0) == os.getpid())
"""
    terminal, held = os.pipe()
    own = os.dup(0)
    os.dup2(terminal, 0)  # a child that read from the terminal would wait for ever: `held` stays open
    try:
        with _running(program, tmp_path) as child:
            said = wait_for(lambda: child.log.exists() and child.log.read_text(), "the process has said what it has")
            assert said == "read '' in a session of its own: True\n"
    finally:
        os.dup2(own, 0)
        for descriptor in (terminal, held, own):
            os.close(descriptor)
