"""Counts the conversions that one process has in work, and the cores that none of them uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock

from soundlift.common.errors import Busy


class Places:
    """Is room for so many conversions at once, one a core."""

    def __init__(self, number: int) -> None:
        self._free = number
        self._lock = Lock()

    @contextmanager
    def one(self) -> Iterator[int]:
        """Take a place until the end of the block, and give the number of those still free; raise Busy without one."""
        with self._lock:
            if not self._free:
                raise Busy("This worker has as many conversions as it may run.")
            self._free -= 1
            left = self._free
        try:
            yield left
        finally:
            with self._lock:
                self._free += 1


@cache
def places(number: int) -> Places:
    """Return the places of this process."""
    return Places(number)
