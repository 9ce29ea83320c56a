"""The steps of a job that a command waits for, each with its progress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedWriter, FileIO
from pathlib import Path
from typing import BinaryIO, cast

from soundlift.cli.display import PERCENT, Display
from soundlift.cli.messages import Messages
from soundlift.client import Client, Job, NotConverted, Options


class StandardOutput(BufferedWriter):
    """Standard output, of which nothing is ever taken back, even if it is a file that can seek.

    It has a buffer of its own, since Python's is flushed when the process ends, which a blocked thread would prevent.
    """

    def __init__(self) -> None:
        super().__init__(FileIO(sys.stdout.fileno(), "wb", closefd=False))

    def seekable(self) -> bool:
        """Return False: with `>>`, the file has older contents before the position that it reports."""
        return False


@dataclass(frozen=True)
class Steps:
    """The upload, the conversion and the download of one file, which has a number in the display."""

    client: Client
    display: Display
    messages: Messages
    number: int

    def upload(
        self,
        file: Path | BinaryIO,
        name: str | None,
        options: Mapping[str, str],
        on_resumable: Callable[[int, int], None] | None = None,
    ) -> Job:
        """Upload a video, and return its job; `on_resumable` is that of `Client.upload`."""
        show = self._transfer("uploading")
        job = self.client.upload(file, name, show, on_resumable, **cast(Options, options))
        self.messages.succeeded()
        return job

    def import_url(self, url: str, options: Mapping[str, str]) -> Job:
        """Let the server import a video, and return its job."""
        job = self.client.import_url(url, **cast(Options, options))
        self.messages.succeeded()
        return job

    def wait(self, job: Job) -> Job:
        """Return a job once it is ready; raises NotConverted if it ends in another state."""
        self._show_job(job)
        ended = job if job.ended else self.client.wait(job, self._show_job)
        if not ended.ready:
            raise NotConverted(ended)
        return ended

    def download(self, job: Job, target: Path | None, *, replace: bool) -> None:
        """Save the audio file of a job, after creating its folder, or write it to standard output for None."""
        show = self._transfer("downloading")
        if target:
            target.parent.mkdir(parents=True, exist_ok=True)
            self.client.download(job, target, show, replace=replace)
            return
        with StandardOutput() as file:
            self.client.download_to(job, file, show)

    def download_zip(self, jobs: Sequence[Job], target: Path, *, replace: bool) -> None:
        """Save a ZIP file with the audio files of several jobs."""
        self.client.download_zip(jobs, target, self._transfer("downloading"), replace=replace)

    def _show_job(self, job: Job) -> None:
        self.messages.succeeded()
        if not job.ended:
            stage = job.state if job.state in ("importing", "queued") else "converting"
            self.display.update(self.number, stage, job.percent or None)

    def _transfer(self, stage: str) -> Callable[[int, int | None], None]:
        def show(done: int, total: int | None) -> None:
            if stage == "downloading":  # sent bytes say nothing about what the server will answer
                self.messages.succeeded()
            self.display.update(self.number, stage, PERCENT * done / total if total else None)

        return show
