"""A kind of media store under test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from soundlift.common.media import MediaStore, open_media


@dataclass(frozen=True)
class Medium:
    """A media store under test, with control over its availability.

    `cut_off` makes the store unreachable and `hang` makes it accept requests without responding, until `restore`; a
    folder cannot hang, only become unreachable. `break_connections` drops the open connections; a folder has none.
    `max_file_bytes` is the largest file that a test has time for. `remains` returns all traces of an id that another
    program finds. `steps` are the functions, by owner and name, with which the adapter modifies its store.

    With `url`, a call waits as long as a busy machine may take. `short_timeout_url` is for tests of calls that fail.
    """

    url: str
    short_timeout_url: str
    cut_off: Callable[[], None]
    restore: Callable[[], None]
    break_connections: Callable[[], None]
    hang: Callable[[], None]
    max_file_bytes: int
    remains: Callable[[str], list[Any]]
    steps: tuple[tuple[object, str], ...]

    def open(self, bucket: str = "videos") -> MediaStore:
        return open_media(self.url, bucket)

    def open_with_short_timeout(self) -> MediaStore:
        return open_media(self.short_timeout_url, "videos")

    @contextmanager
    def before_step(self, number: int, action: Callable[[], None]) -> Iterator[Callable[[], bool]]:
        """Run an action before the step of a number, from 0; yield a function that returns whether it ran."""
        numbers = itertools.count()

        def watched(real: Callable[..., Any]) -> Callable[..., Any]:
            def step(*arguments: Any, **options: Any) -> Any:
                if next(numbers) == number:
                    action()
                return real(*arguments, **options)

            return step

        with pytest.MonkeyPatch.context() as patch:
            for owner, name in self.steps:
                patch.setattr(owner, name, watched(getattr(owner, name)))
            yield lambda: next(numbers) > number
