"""FFmpeg runs on one stored video, which stop when the job's claim is lost or the store fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from soundlift.common.errors import MediaNotFound, StoreUnavailable
from soundlift.common.jobs.heartbeat import ClaimHeartbeat
from soundlift.common.process.sandbox.sandbox import Access
from soundlift.common.settings import Settings

from ..failures import check_status, reports_read_error
from .ffmpeg import Ffmpeg, OnProgress, Outcome, server_address


class Run(Protocol):
    """A running FFmpeg process, or several that work together."""

    def kill(self) -> None:
        """Kill the run; may be called from any thread."""

    def wait(self, on_progress: OnProgress | None = None) -> Outcome:
        """Wait for the end of the run, and return its outcome."""

    def close(self) -> None:
        """Kill the run if it has not ended, and release its resources."""


Running = TypeVar("Running", bound=Run)


class MediaInput(Protocol):
    """A stored video that FFmpeg reads; `error` is the first error that the store raised during a run."""

    @property
    def error(self) -> Exception | None:
        """Return the error, or None."""

    def stdin(self) -> int:
        """Return the standard input for an FFmpeg process; raises MediaNotFound or StoreUnavailable."""


class Runner:
    """A runner of FFmpeg processes on a video that is available at `url`, one after another, which write in a folder.

    `read_failed` means that FFmpeg has reported an error of a read, after which it may have missed a part of the video.
    """

    def __init__(
        self, url: str, source: MediaInput, heartbeat: ClaimHeartbeat, settings: Settings, folder: Path
    ) -> None:
        self.url = url
        self.settings = settings
        self.read_failed = False
        self._source = source
        self._heartbeat = heartbeat
        self._access = Access(folder, server_address(url))

    def stdin(self) -> int:
        """Return the standard input for the next FFmpeg process that reads the video; raises StoreUnavailable."""
        try:
            return self._source.stdin()
        except MediaNotFound:
            raise _missing() from None

    @contextmanager
    def started(self, start: Callable[[], Running]) -> Iterator[Running]:
        """Start a run, and close it at the end of the block."""
        run = start()
        self._heartbeat.on_stop(run.kill)
        try:
            yield run
        finally:
            run.close()

    def end(self, run: Run, on_progress: OnProgress | None = None) -> Outcome:
        """Wait for the end of a run, and return its outcome.

        Raises the heartbeat's reason to stop, the store's error, or the failure that FFmpeg's status indicates, in this
        order.
        """
        outcome = run.wait(on_progress)
        self._heartbeat.check()
        if (error := self._source.error) is not None:
            raise _missing() if isinstance(error, MediaNotFound) else error
        self.read_failed = self.read_failed or reports_read_error(outcome.report)
        check_status(outcome.status, outcome.report)
        return outcome

    def run(
        self, arguments: Sequence[str], on_progress: OnProgress | None = None, *, pipes: Sequence[int] = ()
    ) -> Outcome:
        """Run FFmpeg, which also writes `pipes`, and return its outcome; raises what `end` raises."""
        with self.started(
            lambda: Ffmpeg(arguments, self.settings, self._access, stdin=self.stdin(), pipes=pipes)
        ) as ffmpeg:
            return self.end(ffmpeg, on_progress)

    def progress(self, seconds: float | None, *, percents: int = 100) -> OnProgress:
        """Return a callback that reports the progress of a run that writes `seconds` and is `percents` of all work."""

        def report(done: float) -> None:
            if seconds:
                self._heartbeat.report_progress(percents * done / seconds)

        return report


def _missing() -> StoreUnavailable:
    return StoreUnavailable("The video is missing in the media store.")
