"""A child is stopped together with everything that it started, however it ends."""

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

# The grandchild ignores the signals by which a terminal or a platform stops a service.
GRANDCHILD = "trap '' HUP INT TERM; exec sleep 600"
PROGRAM = f"""
import subprocess, time
print("started", subprocess.Popen(["/bin/sh", "-c", {GRANDCHILD!r}]).pid, flush=True)
time.sleep(600)
"""


@contextmanager
def _running(program: str, folder: Path) -> Iterator[Child]:
    lifeline, write_end = os.pipe()
    child = Child("parent", [sys.executable, "-c", program], os.environ, lifeline=lifeline, log=folder / "a.log")
    try:
        yield child
    finally:
        child.kill()
        for pid in filter(_is_running, _grandchildren(child)):
            with suppress(ProcessLookupError):  # it may have died in the meantime
                os.kill(pid, signal.SIGKILL)
        child.close_log()
        os.close(lifeline)
        os.close(write_end)


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    with _running(PROGRAM, tmp_path) as child:
        yield child


def _grandchildren(child: Child) -> list[int]:
    """Return the process ids of the grandchildren, in the order of their start; a line may be only partly written."""
    log = child.log.read_text() if child.log.exists() else ""
    return [int(pid) for pid in re.findall(r"(?m)^started (\d+)\n", log)]


def _is_running(pid: int) -> bool:
    return pid in living_processes()


def _die(child: Child) -> None:
    """Kill the process, as a crash would; only the supervisor can then stop what it started."""
    (grandchild,) = _grandchildren(child)
    os.kill(living_processes()[grandchild].parent, signal.SIGKILL)
    wait_for(lambda: not child.running, "the process has died")
    assert _is_running(grandchild)
    child.supervise()


def _end(child: Child) -> None:
    child.terminate()
    wait_for(lambda: not child.running, "the process has ended")
    child.kill()


@pytest.mark.parametrize("end", [_die, _end, Child.kill], ids=["crashed", "terminated", "killed"])
def test_processes_started_by_a_child_die_with_it(child: Child, end: Callable[[Child], None]) -> None:
    (grandchild,) = wait_for(lambda: _grandchildren(child), "the grandchild is running")
    end(child)
    assert not child.running
    wait_for(lambda: not _is_running(grandchild), "the grandchild has died")


@pytest.mark.parametrize(
    ("program", "ending"),
    [
        ("raise SystemExit(3)", "exited with code 3"),
        ("pass", "exited with code 0"),
        ("os.kill(os.getpid(), 9)", "was killed by SIGKILL"),
    ],
)
def test_the_terminal_shows_how_a_child_ended_and_where_its_log_is(
    program: str, ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with _running(f"import os; {program}", tmp_path) as child:
        wait_for(lambda: not child.running, "the process has ended")
        child.supervise()
        output = capsys.readouterr().out
        assert re.fullmatch(rf"parent {ending}; restarting in [\d.]+ s \(log: {child.log}\)\n", output)


def test_a_childs_log_contains_its_output_and_its_errors(tmp_path: Path) -> None:
    with _running("import os; os.write(1, b'output\\n'); os.write(2, b'failed\\n')", tmp_path) as child:
        wait_for(lambda: not child.running, "the process has ended")
    assert child.log.read_text() == "output\nfailed\n"


def test_a_child_has_a_lifeline_and_no_access_to_the_terminal(tmp_path: Path) -> None:
    program = """
import os, sys
os.fstat(int(os.environ["LIFELINE_FD"]))
print("read", repr(sys.stdin.read()), "in a separate session:", os.getsid(0) == os.getpid())
"""
    terminal, write_end = os.pipe()
    stdin = os.dup(0)
    os.dup2(terminal, 0)  # a child that read from the terminal would wait forever, because write_end stays open
    try:
        with _running(program, tmp_path) as child:
            wait_for(lambda: not child.running, "the process has ended")
        assert child.log.read_text() == "read '' in a separate session: True\n"
    finally:
        os.dup2(stdin, 0)
        for descriptor in (terminal, write_end, stdin):
            os.close(descriptor)
