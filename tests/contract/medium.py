"""Is one kind of media store under test."""

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
    """Is a store's address, how it goes away and comes back, and how large a file it takes in a test's time.

    By `patient_url` the same store has long enough for that file.
    `break_connections` ends those there are; a folder has none. `hang` lets the store take everything and answer
    nothing, until it comes back; a folder can only go away. `remains` returns what another program finds under an id,
    whole or not. `steps` are the functions, by their owner and name, through which the adapter asks its store to
    change something.
    """

    url: str
    go_away: Callable[[], None]
    come_back: Callable[[], None]
    break_connections: Callable[[], None]
    hang: Callable[[], None]
    largest_file: int
    patient_url: str
    remains: Callable[[str], list[Any]]
    steps: tuple[tuple[object, str], ...]

    def open(self, bucket: str = "videos") -> MediaStore:
        return open_media(self.url, bucket)

    @contextmanager
    def before_step(self, number: int, act: Callable[[], None]) -> Iterator[Callable[[], bool]]:
        """Act once, before the step of this number, from 0; yield what tells whether there was one."""
        numbers = itertools.count()

        def watched(real: Callable[..., Any]) -> Callable[..., Any]:
            def step(*arguments: Any, **options: Any) -> Any:
                if next(numbers) == number:
                    act()
                return real(*arguments, **options)

            return step

        with pytest.MonkeyPatch.context() as patch:
            for owner, name in self.steps:
                patch.setattr(owner, name, watched(getattr(owner, name)))
            yield lambda: next(numbers) > number
