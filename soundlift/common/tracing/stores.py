"""A media store that records each call; the transfers of single chunks are parts of the steps that make them."""

from __future__ import annotations

import io
from collections.abc import Callable

from soundlift.common.media import LimitedSpace, LocalFiles, MediaInfo, MediaReader, MediaStore, MediaWriter
from soundlift.common.media.resumable import ResumableFiles, ResumableWriter, SaveState, resumable_files
from soundlift.common.tracing.spans import Kind, Value, span


class TracedStore:
    """One bucket of a media store, `videos` or `mp3s`."""

    def __init__(self, store: MediaStore, bucket: str) -> None:
        self._store = store
        self._bucket = bucket

    def create(self, fid: str, info: MediaInfo) -> MediaWriter:  # noqa: D102 - documented at the port
        with span(f"{self._bucket}.create", Kind.CLIENT, self._attributes(fid)):
            return _TracedWriter(self._store.create(fid, info), self._bucket, self._attributes(fid))

    def open(self, fid: str) -> MediaReader:  # noqa: D102 - documented at the port
        with span(f"{self._bucket}.open", Kind.CLIENT, self._attributes(fid)):
            return self._store.open(fid)

    def delete(self, fid: str) -> None:  # noqa: D102 - documented at the port
        with span(f"{self._bucket}.delete", Kind.CLIENT, self._attributes(fid)):
            self._store.delete(fid)

    def check(self) -> None:  # noqa: D102 - documented at the port
        self._store.check()

    def resumable(self) -> ResumableFiles:  # noqa: D102 - documented at the port
        return _TracedFiles(resumable_files(self._store), self._bucket, self._attributes)

    def _attributes(self, fid: str) -> dict[str, Value]:
        return {"soundlift.store": type(self._store).__name__, "soundlift.bucket": self._bucket, "soundlift.fid": fid}


class _TracedFolder(TracedStore):
    """A bucket on this machine, whose files other processes can read."""

    def __init__(self, store: MediaStore, files: LocalFiles, space: LimitedSpace, bucket: str) -> None:
        super().__init__(store, bucket)
        self._files = files
        self.free_bytes = space.free_bytes

    def open_file(self, fid: str) -> io.FileIO:
        with span(f"{self._bucket}.open", Kind.CLIENT, self._attributes(fid)):
            return self._files.open_file(fid)


class _TracedFiles:
    """Resumable files whose beginning, continuation and end are recorded."""

    def __init__(self, files: ResumableFiles, bucket: str, attributes: Callable[[str], dict[str, Value]]) -> None:
        self._files = files
        self._bucket = bucket
        self._attributes = attributes

    def begin(self, fid: str, info: MediaInfo, *, expected_bytes: int) -> str:
        with span(f"{self._bucket}.begin", Kind.CLIENT, self._attributes(fid)):
            return self._files.begin(fid, info, expected_bytes=expected_bytes)

    def resume(self, fid: str, state: str, *, offset: int, epoch: int, save: SaveState) -> ResumableWriter:
        with span(f"{self._bucket}.resume", Kind.CLIENT, self._attributes(fid)) as step:
            step.set("soundlift.bytes", offset)
            return self._files.resume(fid, state, offset=offset, epoch=epoch, save=save)

    def finish(self, fid: str, state: str, info: MediaInfo, *, size: int) -> None:
        with span(f"{self._bucket}.finish", Kind.CLIENT, self._attributes(fid)) as step:
            self._files.finish(fid, state, info, size=size)
            step.set("soundlift.bytes", size)


class _TracedWriter:
    """A writer whose end is recorded."""

    def __init__(self, writer: MediaWriter, bucket: str, attributes: dict[str, Value]) -> None:
        self._writer = writer
        self._bucket = bucket
        self._attributes = attributes
        self.write = writer.write

    def commit(self) -> int:
        with span(f"{self._bucket}.commit", Kind.CLIENT, self._attributes) as step:
            size = self._writer.commit()
            step.set("soundlift.bytes", size)
            return size

    def abort(self) -> None:
        with span(f"{self._bucket}.abort", Kind.CLIENT, self._attributes):
            self._writer.abort()


def traced_store(store: MediaStore, bucket: str) -> MediaStore:
    """Return a store that records its calls, and is local if the given one is."""
    if isinstance(store, LocalFiles) and isinstance(store, LimitedSpace):
        return _TracedFolder(store, store, store, bucket)
    return TracedStore(store, bucket)
