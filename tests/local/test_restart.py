"""A child and the writer of its log are started again after a pause, also where a start fails."""

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

PROGRAM = "import os, time; print('begun by', os.getppid(), flush=True); time.sleep(600)"


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    lifeline, held = os.pipe()
    child = Child("parrot", [sys.executable, "-c", PROGRAM], os.environ, lifeline=lifeline, log=tmp_path / "a.log")
    yield child
    child.kill()
    child.close_log()
    os.close(lifeline)
    os.close(held)


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[LogPipe]:
    pipe = LogPipe(tmp_path / "a.log")
    yield pipe
    pipe.close()


def writer_of(log: Path) -> Process | None:
    processes = living_processes().values()
    return next((one for one in processes if "log_writer" in one.command and str(log) in one.command), None)


class Clock:
    """A clock that stands still between the test's steps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_the_pause_doubles_up_to_half_a_minute_while_a_process_keeps_ending_young(clock: Clock) -> None:
    restart = Restart()
    assert (restart.is_planned, restart.is_due) == (False, False)
    pauses = []
    for _ in range(8):
        restart.plan()
        pauses.append(restart.pause)
        clock.now += restart.pause - 0.25
        assert (restart.is_planned, restart.is_due) == (True, False)
        clock.now += 0.25
        assert (restart.is_planned, restart.is_due) == (True, True)
        restart.note_start()
        assert (restart.is_planned, restart.is_due) == (False, False)
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]


def test_the_pause_is_short_again_once_a_process_has_lived_for_more_than_ten_seconds(clock: Clock) -> None:
    restart = Restart()
    pauses = []
    for lived in (1, 10, 10.25, 1):
        restart.note_start()
        clock.now += lived
        restart.plan()
        pauses.append(restart.pause)
        clock.now += restart.pause
    assert pauses == [1, 2, 0.5, 1]


def test_what_cannot_be_started_again_is_tried_until_it_can(child: Child, capsys: pytest.CaptureFixture[str]) -> None:
    starts = lambda: child.log.exists() and child.log.read_text().count("begun by")  # noqa: E731
    wait_for(lambda: starts() == 1, "the child and its writer run")
    writer = writer_of(child.log)
    assert writer is not None
    os.kill(writer.pid, signal.SIGKILL)
    child.terminate()
    said = ""

    def says_that_it_cannot() -> bool:
        nonlocal said
        child.look_after()  # the writer of the log, then the child
        said += "".join(capsys.readouterr())
        return "parrot cannot be started (Too many open files); it is tried again in" in said

    with no_more_files():
        wait_for(says_that_it_cannot, "the start fails")
    wait_for(lambda: child.look_after() or starts() == 2, "both run again")


def test_a_writer_that_dies_is_not_started_again_at_once(pipe: LogPipe) -> None:
    writer = wait_for(lambda: writer_of(pipe.log), "the writer runs")
    os.kill(writer.pid, signal.SIGKILL)
    wait_for(lambda: writer_of(pipe.log) is None, "it is dead")
    pipe.look_after()
    assert writer_of(pipe.log) is None
    wait_for(lambda: pipe.look_after() or writer_of(pipe.log), "it runs again")
