"""Runs a module's tests against its mutants until a deadline, and leaves no processes behind."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.mutation.workspace import UNCHECKED_IN_PROCESSES, Workspace

# mutmut sets a hard limit on the processor time of a mutant's tests, which child processes inherit. If root may not
# raise it, FFmpeg cannot start, and every mutant counts as killed.
RUN_MUTMUT = """\
import resource, signal, sys
from mutmut.__main__ import cli
set_limit = resource.setrlimit
def set_soft_limit(kind, limits):
    set_limit(kind, (limits[0], resource.getrlimit(kind)[1]) if kind == resource.RLIMIT_CPU else limits)
resource.setrlimit = set_soft_limit
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in processes that a shell starts in the background
sys.exit(cli())
"""
MUTANTS_WERE_MADE = b"nothing matches"
MARK = "SOUNDLIFT_MUTATION"  # in the environment of all processes of a run
SECONDS_TO_STOP = 30.0
MAX_SECONDS_PER_MUTANT = 300.0  # of tests in separate processes


class Run:
    """A run over a module's workspace, until a deadline on the monotonic clock."""

    def __init__(self, workspace: Workspace, environment: Mapping[str, str], deadline: float) -> None:
        self._workspace = workspace
        self._module = workspace.module
        self._mark = f"{MARK}={workspace.folder}"
        # With setproctitle installed, gunicorn would overwrite the environment that /proc shows.
        marked = {MARK: str(workspace.folder), "SPT_NOENV": "1"}
        self._environment = {**os.environ, **environment, **marked}
        self._deadline = deadline

    @property
    def is_late(self) -> bool:
        """Return whether the deadline has passed."""
        return time.monotonic() > self._deadline

    def check(self, sample: int) -> None:
        """Check the unchecked mutants of a sample, and recheck survivors if code or tests changed.

        Raises RuntimeError if the tests fail without a mutant, or if another run uses the workspace.
        """
        self._workspace.folder.mkdir(parents=True, exist_ok=True)
        with self._locked(), self._temporary_folder():
            self._workspace.update()
            self._make_mutants()
            if not self.is_late and (names := self._workspace.unchecked(sample)):
                self._mutmut(names)
            self._run_processes()
            if not self.is_late:
                self._workspace.note_rechecked()

    def _make_mutants(self) -> None:
        """Make mutmut create its mutants and record which test calls which function, but check no mutant.

        mutmut has no command for that, but does both before it finds that no mutant has the given name.
        """
        self._workspace.log.unlink(missing_ok=True)
        with suppress(RuntimeError):
            self._mutmut(["none"])
        if not self.is_late and MUTANTS_WERE_MADE not in self._workspace.log.read_bytes():
            raise RuntimeError(
                f"The tests fail without a mutant, or call none of the module's functions; see {self._workspace.log}."
            )

    def _mutmut(self, names: Sequence[str]) -> None:
        children = "1" if self._module.rabbitmq else str(os.cpu_count())
        command = [sys.executable, "-P", "-c", RUN_MUTMUT, "run", "--max-children", children, *names]
        code = self._call(command, self._workspace.tree, self._environment, self._seconds_left())
        if code:
            raise RuntimeError(f"mutmut ended with exit code {code}; see {self._workspace.log}.")

    def _run_processes(self) -> None:
        """Run the tests that start processes, for mutants of functions that no other test calls."""
        results = self._workspace.results()
        names = [name for name in results if results[name] == UNCHECKED_IN_PROCESSES] if self._module.processes else []
        if names and not self.is_late and self._try_in_processes("") == "killed":
            raise RuntimeError(f"{', '.join(self._module.processes)} fail without a mutant; see {self._workspace.log}.")
        for name in names:
            if status := self._try_in_processes(name):
                self._workspace.note_in_processes(name, status)

    def _try_in_processes(self, mutant: str) -> str:
        """Return a mutant's status, or an empty string if the deadline passes before the tests end."""
        seconds = min(MAX_SECONDS_PER_MUTANT, self._seconds_left())
        command = [sys.executable, "-m", "pytest", "-x", "-q", *self._module.options, *self._module.processes]
        environment = {**self._environment, "MUTANT_UNDER_TEST": _as_run(mutant)}
        code = self._call(command, self._workspace.mutants, environment, seconds)
        if code is None:
            return "" if self.is_late else "timeout"
        return "killed" if code else "survived"

    def _call(self, command: Sequence[str], folder: Path, environment: Mapping[str, str], seconds: float) -> int | None:
        """Run a command with its output in the log and return its exit code, or None after its time-out."""
        with self._workspace.log.open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)  # mutmut keeps its results
            with suppress(subprocess.TimeoutExpired):
                process.wait(SECONDS_TO_STOP)
            return None
        finally:
            self._kill_remaining()
            process.wait()

    def _seconds_left(self) -> float:
        return max(self._deadline - time.monotonic(), 0.1)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock the workspace, because the end of another run would kill the processes of this one."""
        with (self._workspace.folder.parent / f"{self._module}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RuntimeError("Another run is mutating this module.") from None
            self._kill_remaining()
            yield

    @contextmanager
    def _temporary_folder(self) -> Iterator[None]:
        """Provide a temporary folder for the files of killed tests, with a short path for sockets."""
        with tempfile.TemporaryDirectory(prefix="mutation-", ignore_cleanup_errors=True) as folder:
            self._environment["TMPDIR"] = folder
            yield

    def _kill_remaining(self) -> None:
        """Kill the remaining processes of a run; an interrupted test cannot stop its servers."""
        while found := [pid for pid in _processes() if self._mark in _read_environment(pid)]:
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _processes() -> list[int]:
    return [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]


def _read_environment(pid: int) -> list[str]:
    with suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    return []


def _as_run(mutant: str) -> str:
    """Return a mutant's name in a process started by `python -m PACKAGE`, where its module is `__main__`."""
    package, _, name = mutant.partition(".__main__.")
    return f"__main__.{name}" if name else package
