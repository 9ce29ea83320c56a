"""`soundlift convert` of a large file, which a test interrupts and gives again."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devservers.forwarder import Forwarder
from devservers.toxics import Bandwidth
from devservers.waiting import DEADLINE_SECONDS, wait_for
from soundlift.cli.exit_codes import ExitCode
from soundlift.common.jobs.model import Job
from soundlift.common.services import Services
from tests.factories.jobs import MP4, job_now

EMAIL = "ada@example.org"
MEBIBYTE = 2**20


class LargeUpload:
    """A sparse file `a.mp4` that looks like a large video, and the commands that convert it.

    `stdout` and `stderr` are those of the last command, except what went to other streams.
    """

    def __init__(self, folder: Path, size: int, url: str, services: Services) -> None:
        self.size = size
        self._services = services
        self._folder = folder
        self._account = {
            "SOUNDLIFT_URL": url,
            "SOUNDLIFT_TOKEN": services.tokens.sign_in(EMAIL, admin=False),
            "XDG_STATE_HOME": str(folder / "state"),
        }
        self._processes: list[subprocess.Popen[str]] = []
        with (folder / "a.mp4").open("wb") as file:
            file.write(MP4)
            file.truncate(size)

    @contextmanager
    def running(self) -> Iterator[LargeUpload]:
        """Kill the commands that are left in the end."""
        try:
            yield self
        finally:
            for process in self._processes:
                process.kill()
                process.wait()

    def start(self, *arguments: str, **streams: int) -> subprocess.Popen[str]:
        """Start a command; `streams` replaces its standard streams."""
        without = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
        with (self._folder / "stdout").open("w") as stdout, (self._folder / "stderr").open("w") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "soundlift.cli", "convert", "a.mp4", *arguments],
                env={**without, "TERM": "xterm-256color", **self._account},
                cwd=self._folder,
                text=True,
                **{"stdout": stdout.fileno(), "stderr": stderr.fileno(), **streams},  # type: ignore[call-overload]
            )
        self._processes.append(process)
        return process

    def interrupt(self, number: signal.Signals, line: Forwarder, *, after: int, bytes_per_second: float) -> int:
        """Start a command, end it by a signal once so many bytes have been sent, and return its exit code."""
        with line.disturbed(Bandwidth(bytes_per_second), "upstream"):
            process = self.start()
            wait_for(lambda: line.received_bytes > after, f"{after} bytes have been sent")
            process.send_signal(number)
            return process.wait(DEADLINE_SECONDS)

    def end(self, process: subprocess.Popen[str]) -> Job:
        """Cancel the job of a command that waits for it, wait until the command has ended, and return the only job."""
        (job,) = wait_for(lambda: self._services.jobs.page(None), "the file has been uploaded")
        assert self._services.jobs.cancel(job.id)
        assert process.wait(DEADLINE_SECONDS) == ExitCode.FAILED
        assert len(self._services.jobs.page(None)) == 1
        with self._services.videos.open(job_now(self._services, job.id).video_fid).file as file:
            assert file.read() == MP4 + bytes(self.size - len(MP4))
        return job

    @property
    def stdout(self) -> str:
        return (self._folder / "stdout").read_text()

    @property
    def stderr(self) -> str:
        return (self._folder / "stderr").read_text()

    @property
    def records(self) -> list[Path]:
        """Return the records of uploads that can be continued."""
        return list((self._folder / "state" / "soundlift" / "uploads").iterdir())

    def resumed_at(self, text: str) -> float | None:
        """Return at how many megabytes a command says that it resumes, or None."""
        pattern = rf"^a\.mp4: resuming at ([0-9.]+) MB of {self.size / 1e6:.1f} MB$"
        found = re.search(pattern, text, re.MULTILINE)
        return float(found[1]) if found else None
