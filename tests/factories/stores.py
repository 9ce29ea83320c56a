"""Media stores whose reads are held, break off or are refused, as a real store's may be."""

from __future__ import annotations

import io
from collections.abc import Callable
from threading import Event
from typing import Any, BinaryIO, cast

from soundlift.common.errors import StoreUnavailable
from soundlift.common.media import MediaInfo, MediaReader, MediaStore, MediaWriter


class Watched(io.RawIOBase):
    """A file whose every read is announced first, with the position."""

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
    """A store that announces every read to a function, which may wait or raise; it offers no file of this machine."""

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
    """Return a store whose reads behind a position wait, an event for "it waits", and one that lets go."""
    waiting, let_go = Event(), Event()

    def before_read(position: int) -> None:
        if position >= beyond:
            waiting.set()
            assert let_go.wait(60)

    return WatchedStore(store, before_read), waiting, let_go


def broken_store(store: MediaStore, beyond: int) -> WatchedStore:
    """Return a store that fails when it is read behind a position."""

    def before_read(position: int) -> None:
        if position >= beyond:
            raise StoreUnavailable("The connection to the store broke.")

    return WatchedStore(store, before_read)


class StoreWithCommitHook:
    """A store that calls a function when it has the whole of a file, before it says so."""

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
    """A store that fails at one step: create, write, commit or delete."""

    def __init__(self, store: MediaStore, step: str) -> None:
        self._store = store
        self._step = step

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

    def _refuse(self, step: str) -> None:
        if step == self._step:
            raise StoreUnavailable("The store is away.")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
