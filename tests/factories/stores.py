"""Media stores whose operations block or fail."""

from __future__ import annotations

import io
from collections.abc import Callable
from threading import Event
from typing import Any, BinaryIO, cast

from soundlift.common.errors import StoreUnavailable
from soundlift.common.media import MediaInfo, MediaReader, MediaStore, MediaWriter


class Watched(io.RawIOBase):
    """A file that calls a function with the position before each read."""

    def __init__(self, file: BinaryIO, before_read: Callable[[int], None]) -> None:
        self._file = file
        self._before_read = before_read

    def read(self, size: int = -1) -> bytes:
        self._before_read(self._file.tell())
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()


class WatchedStore:
    """A store that calls a function before each read, which may block or raise. It offers no local file."""

    def __init__(self, store: MediaStore, before_read: Callable[[int], None]) -> None:
        self._store = store
        self._before_read = before_read

    def open(self, fid: str) -> MediaReader:
        reader = self._store.open(fid)
        return MediaReader(reader.size, cast(BinaryIO, Watched(reader.file, self._before_read)))

    def create(self, fid: str, info: MediaInfo) -> MediaWriter:
        return self._store.create(fid, info)

    def delete(self, fid: str) -> None:
        self._store.delete(fid)

    def check(self) -> None:
        self._store.check()


def blocked_store(store: MediaStore, beyond: int) -> tuple[WatchedStore, Event, Event]:
    """Return a store whose reads block at a position, an event set when one blocks, and one that releases them."""
    waiting, release = Event(), Event()

    def before_read(position: int) -> None:
        if position >= beyond:
            waiting.set()
            assert release.wait(60)

    return WatchedStore(store, before_read), waiting, release


def broken_store(store: MediaStore, beyond: int) -> WatchedStore:
    """Return a store whose reads fail at a position and beyond."""

    def before_read(position: int) -> None:
        if position >= beyond:
            raise StoreUnavailable("The connection to the store broke.")

    return WatchedStore(store, before_read)


class StoreWithCommitHook:
    """A store that calls a function after a file is committed, before `commit` returns."""

    def __init__(self, store: MediaStore, on_commit: Callable[[], object]) -> None:
        self._store = store
        self._on_commit = on_commit

    def create(self, fid: str, info: MediaInfo) -> MediaWriter:
        writer = self._store.create(fid, info)
        on_commit = self._on_commit

        class Writer:
            abort = writer.abort
            write = writer.write

            def commit(self) -> int:
                size = writer.commit()
                on_commit()
                return size

        return Writer()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class RefusingStore:
    """A store that fails in one operation: create, write, commit or delete."""

    def __init__(self, store: MediaStore, operation: str) -> None:
        self._store = store
        self._operation = operation

    def create(self, fid: str, info: MediaInfo) -> MediaWriter:
        self._refuse("create")
        writer = self._store.create(fid, info)
        refuse = self._refuse

        class Writer:
            abort = writer.abort

            def write(self, data: bytes, /) -> int:
                refuse("write")
                return writer.write(data)

            def commit(self) -> int:
                refuse("commit")
                return writer.commit()

        return Writer()

    def delete(self, fid: str) -> None:
        self._refuse("delete")
        self._store.delete(fid)

    def _refuse(self, operation: str) -> None:
        if operation == self._operation:
            raise StoreUnavailable("The store is unavailable.")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
