"""A child and its log writer are restarted after a pause, and again if the restart fails."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devservers.local_stack import Process, living_processes
from devservers.waiting import wait_for
from soundlift.local import restart as module
from soundlift.local.child import Child
from soundlift.local.log_pipe import LogPipe
from soundlift.local.restart import Restart
from tests.factories.open_files import no_more_files

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop

PROGRAM = "import os, time; print('started by', os.getppid(), flush=True); time.sleep(600)"


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    lifeline, write_end = os.pipe()
    child = Child("parrot", [sys.executable, "-c", PROGRAM], os.environ, lifeline=lifeline, log=tmp_path / "a.log")
    yield child
    child.kill()
    child.close_log()
    os.close(lifeline)
    os.close(write_end)


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[LogPipe]:
    pipe = LogPipe(tmp_path / "a.log")
    yield pipe
    pipe.close()


def writer_of(log: Path) -> Process | None:
    processes = living_processes().values()
    return next((one for one in processes if "log_writer" in one.command and str(log) in one.command), None)


class Clock:
    """A clock that advances only when the test advances it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_the_pause_doubles_up_to_30_seconds_while_a_process_keeps_ending_early(clock: Clock) -> None:
    restart = Restart()
    assert (restart.is_scheduled, restart.is_due) == (False, False)
    pauses = []
    for _ in range(8):
        restart.schedule()
        pauses.append(restart.pause)
        clock.now += restart.pause - 0.25
        assert (restart.is_scheduled, restart.is_due) == (True, False)
        clock.now += 0.25
        assert (restart.is_scheduled, restart.is_due) == (True, True)
        restart.record_start()
        assert (restart.is_scheduled, restart.is_due) == (False, False)
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]


def test_the_pause_is_reset_once_a_process_has_run_for_more_than_ten_seconds(clock: Clock) -> None:
    restart = Restart()
    pauses = []
    for uptime in (1, 10, 10.25, 1):
        restart.record_start()
        clock.now += uptime
        restart.schedule()
        pauses.append(restart.pause)
        clock.now += restart.pause
    assert pauses == [1, 2, 0.5, 1]


def test_a_failed_restart_is_repeated_until_it_succeeds(child: Child, capsys: pytest.CaptureFixture[str]) -> None:
    starts = lambda: child.log.exists() and child.log.read_text().count("started by")  # noqa: E731
    wait_for(lambda: starts() == 1, "the child and its writer are running")
    writer = writer_of(child.log)
    assert writer is not None
    os.kill(writer.pid, signal.SIGKILL)
    child.terminate()
    output = ""

    def reports_the_failure() -> bool:
        nonlocal output
        child.supervise()  # the log writer, then the child
        output += "".join(capsys.readouterr())
        return "parrot cannot be started (Too many open files); next attempt in" in output

    with no_more_files():
        wait_for(reports_the_failure, "the start fails")
    wait_for(lambda: child.supervise() or starts() == 2, "both are running again")


def test_a_dead_writer_is_not_restarted_immediately(pipe: LogPipe) -> None:
    writer = wait_for(lambda: writer_of(pipe.log), "the writer is running")
    os.kill(writer.pid, signal.SIGKILL)
    wait_for(lambda: writer_of(pipe.log) is None, "the writer is dead")
    pipe.supervise()
    assert writer_of(pipe.log) is None
    wait_for(lambda: pipe.supervise() or writer_of(pipe.log), "the writer is running again")
