"""Runs the measured programs in separate processes and samples their memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Self

import urllib3

from devservers.ports import free_port
from devservers.waiting import wait_for

SAMPLE_SECONDS = 0.05
START_SECONDS = 60
PAGE = os.sysconf("SC_PAGE_SIZE")


class Peak:
    """The maximum of a figure that is sampled twenty times a second within a `with` block."""

    def __init__(self, read: Callable[[], float]) -> None:
        self._read = read
        self.value = 0.0
        self._ended = Event()
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:  # fmt: skip
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            self.value = max(self.value, self._read())


class Memory(Peak):
    """The largest resident memory of a process tree; shared pages count once per process. Linux only."""

    def __init__(self, pid: int) -> None:
        super().__init__(lambda: sum(map(resident_mb, _tree(pid))))

    @property
    def peak_mb(self) -> float | None:
        """Return the largest sum so far in MB, or None if it cannot be read."""
        return self.value or None


def _tree(pid: int) -> Iterator[int]:
    yield pid
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _tree(int(child))
    except OSError:  # the process has ended, or this is not Linux
        return


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process in MB, 0 if it has ended (Linux)."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 1e6
    except OSError:
        return 0.0


def peak_mb(pid: int) -> float:
    """Return the peak resident memory of a process in MB (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def children(pid: int) -> list[int]:
    """Return the child processes of a process's main thread (Linux)."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def running(arguments: Sequence[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program, discard its standard output, and stop it with SIGTERM."""
    process = subprocess.Popen(arguments, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


class Gunicorn:
    """A running gunicorn with one application."""

    def __init__(self, url: str, pid: int) -> None:
        self.url = url
        self.pid = pid

    @property
    def worker(self) -> int:
        """Return the pid of the only worker."""
        (worker,) = children(self.pid)
        return worker


@contextmanager
def served(application: str, environment: Mapping[str, str], *, port: int | None = None) -> Iterator[Gunicorn]:
    """Serve an application as the functions are served, on a loopback port; by default, on a free one."""
    port = port or free_port()
    arguments = [sys.executable, "-m", "gunicorn", "-c", "python:soundlift.common.web.gunicorn_config", application]
    with running(arguments, {**environment, "HOST": "127.0.0.1", "PORT": str(port)}) as process:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: answers(url) or process.poll() is not None, f"{application} answers", seconds=START_SECONDS)
        if process.poll() is not None:
            sys.exit(f"{application} did not start.")
        yield Gunicorn(url, process.pid)


def answers(url: str) -> bool:
    """Return whether a server answers with any status."""
    try:
        return urllib3.request("GET", f"{url}/_/health", retries=False).status > 0
    except urllib3.exceptions.HTTPError:
        return False
