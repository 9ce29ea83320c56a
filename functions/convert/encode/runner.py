"""Runs FFmpeg on one stored video while the job's keeper lets it, and puts the store's trouble before its words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeVar

from soundlift.common.errors import MediaNotFound, StoreUnavailable
from soundlift.common.settings import Settings

from ..failures import check_status
from ..heartbeat import Keeper
from .ffmpeg import Ffmpeg, OnProgress, Outcome
from .range_server import Source


class Run(Protocol):
    """Is FFmpeg at work, as one process or several."""

    def kill(self) -> None:
        """End it at once, from any thread."""

    def wait(self, on_progress: OnProgress | None = None) -> Outcome:
        """Return how it ended."""

    def close(self) -> None:
        """End it if it still runs, and give back what it had of this process."""


Running = TypeVar("Running", bound=Run)


class Runner:
    """Starts FFmpegs on a video that a range server has at `url`, one after another."""

    def __init__(self, url: str, source: Source, keeper: Keeper, settings: Settings) -> None:
        self.url = url
        self.settings = settings
        self._source = source
        self._keeper = keeper

    @contextmanager
    def started(self, start: Callable[[], Running]) -> Iterator[Running]:
        """Give a run that has begun, its limits set before it gets a byte; end it with the block."""
        self._source.opened.clear()
        run = start()
        self._keeper.stop_with(run.kill)
        self._source.opened.set()
        try:
            yield run
        finally:
            run.close()

    def end(self, run: Run, on_progress: OnProgress | None = None) -> Outcome:
        """Return how a run ended; the keeper's reason and the store's error are raised before what FFmpeg says."""
        outcome = run.wait(on_progress)
        self._keeper.check()
        if isinstance(self._source.error, MediaNotFound):
            raise StoreUnavailable("The media store does not have the video.") from None
        if self._source.error is not None:
            raise self._source.error
        check_status(outcome.status)
        return outcome

    def run(self, arguments: Sequence[str], on_progress: OnProgress | None = None) -> Outcome:
        """Run FFmpeg to its end and return how that was; raises as `end` does."""
        with self.started(lambda: Ffmpeg(arguments, self.settings)) as ffmpeg:
            return self.end(ffmpeg, on_progress)

    def progress(self, seconds: float | None, *, percents: int = 100) -> OnProgress:
        """Return what tells the keeper how far a run is that writes so many seconds, and is so many percents of all."""

        def tell(done: float) -> None:
            if seconds:
                self._keeper.progress(percents * done / seconds)

        return tell
