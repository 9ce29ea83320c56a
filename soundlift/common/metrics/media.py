"""A media store, measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Self, cast

from typing_extensions import Buffer

from soundlift.common.errors import StoreUnavailable
from soundlift.common.media import MediaInfo, MediaReader, MediaStore, MediaWriter
from soundlift.common.media.resumable import (
    Checkpoint,
    ResumableFiles,
    ResumableWriter,
    SaveState,
    resumable_files,
)
from soundlift.common.metrics.metrics import Metrics

ABILITIES = ("open_file", "free_bytes")  # the methods of a store that the port does not require


class MeasuredStore:
    """A media store whose bytes and errors are counted.

    The bytes of a file that another process reads through its descriptor are not counted.
    """

    def __init__(self, store: MediaStore, bucket: str, metrics: Metrics) -> None:
        self._store = store
        self._read_bytes = metrics.store_read_bytes.labels(bucket)
        self._written_bytes = metrics.store_written_bytes.labels(bucket)
        self._errors = metrics.store_errors.labels(bucket)
        for name in ABILITIES:
            if hasattr(store, name):
                setattr(self, name, getattr(store, name))

    def create(self, fid: str, info: MediaInfo) -> MediaWriter:
        """Return a writer whose bytes are counted."""
        with self.counted_errors():
            return _MeasuredWriter(self._store.create(fid, info), self)

    def open(self, fid: str) -> MediaReader:
        """Return a reader whose bytes are counted."""
        with self.counted_errors():
            reader = self._store.open(fid)
        return MediaReader(reader.size, cast(BinaryIO, _MeasuredFile(reader.file, self)))

    def delete(self, fid: str) -> None:
        """Delete a file."""
        with self.counted_errors():
            self._store.delete(fid)

    def resumable(self) -> ResumableFiles:
        """Return the resumable files, whose bytes are counted."""
        return _MeasuredFiles(resumable_files(self._store), self)

    def check(self) -> None:
        """Check the store; an error is not counted, since a check is not an operation that a user waits for."""
        self._store.check()

    def count_read(self, size: int) -> None:
        """Count bytes that were read."""
        self._read_bytes.inc(size)

    def count_written(self, size: int) -> None:
        """Count bytes that were written."""
        self._written_bytes.inc(size)

    @contextmanager
    def counted_errors(self) -> Iterator[None]:
        """Count an operation that fails because the store is not available."""
        try:
            yield
        except StoreUnavailable:
            self._errors.inc()
            raise


class _MeasuredWriter:
    def __init__(self, writer: MediaWriter, store: MeasuredStore) -> None:
        self._writer = writer
        self._store = store
        self.abort = writer.abort

    def write(self, data: bytes, /) -> int:
        with self._store.counted_errors():
            written = self._writer.write(data)
        self._store.count_written(len(data))
        return written

    def commit(self) -> int:
        with self._store.counted_errors():
            return self._writer.commit()


class _MeasuredFiles:
    def __init__(self, files: ResumableFiles, store: MeasuredStore) -> None:
        self._files = files
        self._store = store

    def begin(self, fid: str, info: MediaInfo, *, expected_bytes: int) -> str:
        with self._store.counted_errors():
            return self._files.begin(fid, info, expected_bytes=expected_bytes)

    def resume(self, fid: str, state: str, *, offset: int, epoch: int, save: SaveState) -> ResumableWriter:
        with self._store.counted_errors():
            writer = self._files.resume(fid, state, offset=offset, epoch=epoch, save=save)
        return _MeasuredResumableWriter(writer, self._store)

    def finish(self, fid: str, state: str, info: MediaInfo, *, size: int) -> None:
        with self._store.counted_errors():
            self._files.finish(fid, state, info, size=size)


class _MeasuredResumableWriter:
    def __init__(self, writer: ResumableWriter, store: MeasuredStore) -> None:
        self._writer = writer
        self._store = store
        self.checkpoint_bytes = writer.checkpoint_bytes
        self.checkpoint_seconds = writer.checkpoint_seconds
        self.committed = writer.committed
        self.close = writer.close

    def write(self, data: bytes, /) -> None:
        with self._store.counted_errors():
            self._writer.write(data)
        self._store.count_written(len(data))

    def checkpoint(self, *, complete: bool, last: bool = False) -> Checkpoint:
        with self._store.counted_errors():
            return self._writer.checkpoint(complete=complete, last=last)


class _MeasuredFile:
    """A stored file whose reads are counted; in everything else it is that file."""

    def __init__(self, file: BinaryIO, store: MeasuredStore) -> None:
        self._file = file
        self._store = store

    def read(self, size: int = -1, /) -> bytes:
        with self._store.counted_errors():
            data = self._file.read(size)
        self._store.count_read(len(data))
        return data

    def readinto(self, buffer: Buffer, /) -> int:
        with self._store.counted_errors():
            size: int = self._file.readinto(buffer)  # type: ignore[attr-defined]  # missing in BinaryIO
        self._store.count_read(size)
        return size

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
