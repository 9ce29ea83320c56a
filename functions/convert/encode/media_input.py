"""The inputs of FFmpeg: an open file, if the media store keeps its files on this machine, and a URL."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing, contextmanager

from soundlift.common.errors import SoundliftError
from soundlift.common.media import LocalFiles, MediaStore

from .range_server import Source, serve
from .runner import MediaInput

FD_URL = "fd:"


class LocalFile:
    """A stored file that each FFmpeg process gets as its standard input.

    FFmpeg then opens nothing by name, and `fd` is the only protocol that it may use.
    """

    def __init__(self, store: LocalFiles, fid: str) -> None:
        self._store = store
        self._fid = fid
        self._file: io.FileIO | None = None

    def stdin(self) -> int:
        """Open the file again, and return its descriptor; raises MediaNotFound or StoreUnavailable."""
        self.close()
        self._file = self._store.open_file(self._fid)
        return self._file.fileno()

    @property
    def error(self) -> Exception | None:
        """The store's error, found by reading where FFmpeg stopped, or None.

        FFmpeg does not report read errors reliably: some demuxers treat them as the end of the file. But FFmpeg's
        descriptor and this one share a position, which a failed read does not change. An error that does not recur is
        not found.
        """
        try:
            if self._file is not None:
                self._file.read(1)
        except SoundliftError as error:
            return error
        return None

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


@contextmanager
def open_local(store: LocalFiles, fid: str) -> Iterator[tuple[str, MediaInput]]:
    """Yield the URL at which FFmpeg reads an open file, and the input behind that URL."""
    with closing(LocalFile(store, fid)) as file:
        yield FD_URL, file


@contextmanager
def serve_input(store: MediaStore, fid: str, suffix: str = "") -> Iterator[tuple[str, MediaInput]]:
    """Yield the URL at which FFmpeg reads a stored file over HTTP, with a suffix, and the input behind that URL."""
    source = Source(store, fid, suffix)
    with serve(source) as url:
        yield url, source
