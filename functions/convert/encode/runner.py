"""The runs of FFmpeg on one stored video, which stop when the job's claim is lost or the store fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeVar

from soundlift.common.errors import MediaNotFound, StoreUnavailable
from soundlift.common.settings import Settings

from ..failures import check_status
from ..heartbeat import ClaimHeartbeat
from .ffmpeg import Ffmpeg, OnProgress, Outcome


class Run(Protocol):
    """One FFmpeg, or several that work together."""

    def kill(self) -> None:
        """Kill it, from any thread."""

    def wait(self, on_progress: OnProgress | None = None) -> Outcome:
        """Return how it ended."""

    def close(self) -> None:
        """Kill it if it still runs, and release its resources."""


Running = TypeVar("Running", bound=Run)


class MediaInput(Protocol):
    """A stored video that FFmpeg reads; `error` is the first error that the store raised during a run."""

    @property
    def error(self) -> Exception | None:
        """Return it, or None."""

    def stdin(self) -> int:
        """Return what FFmpeg gets as its standard input; raises MediaNotFound or StoreUnavailable."""


class Runner:
    """Starts FFmpegs on a video that a source has at `url`, one after another."""

    def __init__(self, url: str, source: MediaInput, heartbeat: ClaimHeartbeat, settings: Settings) -> None:
        self.url = url
        self.settings = settings
        self._source = source
        self._heartbeat = heartbeat

    def stdin(self) -> int:
        """Return what the next FFmpeg that reads the video gets as its standard input; raises StoreUnavailable."""
        try:
            return self._source.stdin()
        except MediaNotFound:
            raise _missing() from None

    @contextmanager
    def started(self, start: Callable[[], Running]) -> Iterator[Running]:
        """Start a run, and end it with the block."""
        run = start()
        self._heartbeat.on_stop(run.kill)
        try:
            yield run
        finally:
            run.close()

    def end(self, run: Run, on_progress: OnProgress | None = None) -> Outcome:
        """Return how a run ended; the heartbeat's reason and the store's error are raised before what FFmpeg says."""
        outcome = run.wait(on_progress)
        self._heartbeat.check()
        if (error := self._source.error) is not None:
            raise _missing() if isinstance(error, MediaNotFound) else error
        check_status(outcome.status)
        return outcome

    def run(self, arguments: Sequence[str], on_progress: OnProgress | None = None) -> Outcome:
        """Run FFmpeg to its end and return how that was; raises as `end` does."""
        with self.started(lambda: Ffmpeg(arguments, self.settings, stdin=self.stdin())) as ffmpeg:
            return self.end(ffmpeg, on_progress)

    def progress(self, seconds: float | None, *, percents: int = 100) -> OnProgress:
        """Return what reports the progress of a run that writes `seconds` and is `percents` of the whole work."""

        def report(done: float) -> None:
            if seconds:
                self._heartbeat.report_progress(percents * done / seconds)

        return report


def _missing() -> StoreUnavailable:
    return StoreUnavailable("The media store does not have the video.")
