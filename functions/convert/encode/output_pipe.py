"""A pipe that FFmpeg writes, which is read while FFmpeg still runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import BinaryIO, Generic, Self, TypeVar

BLOCK = 256 * 1024

T = TypeVar("T")


class OutputPipe(Generic[T]):
    """A pipe, and a thread that reads it with a function until `result` is called. FFmpeg writes to `url`."""

    def __init__(self, read: Callable[[BinaryIO], T]) -> None:
        reading, self.descriptor = os.pipe()
        self._is_open = True
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="output-pipe")
        self._result = self._executor.submit(_read, reading, read)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()
        self._executor.shutdown()

    @property
    def url(self) -> str:
        """Return FFmpeg's name of the pipe."""
        return f"pipe:{self.descriptor}"

    def result(self) -> T:
        """Return what was read when FFmpeg has ended."""
        self._close()
        return self._result.result()

    def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            os.close(self.descriptor)


def _read(pipe: int, read: Callable[[BinaryIO], T]) -> T:
    """Read a pipe with a function, and then the rest of it, because FFmpeg would fail if it could not write it."""
    with open(pipe, "rb") as stream:
        result = read(stream)
        while stream.read(BLOCK):
            pass
        return result
