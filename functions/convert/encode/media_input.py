"""The stored video as FFmpeg reads it: an open file if the store has its files on this machine, otherwise a URL."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing, contextmanager

from soundlift.common.errors import SoundliftError
from soundlift.common.media import LocalFiles, MediaStore

from .range_server import Source, serve
from .runner import MediaInput

URL = "fd:"


class LocalFile:
    """A stored file that each FFmpeg gets as its standard input.

    FFmpeg then opens nothing by name, and `fd` is the only protocol that it may use.
    """

    def __init__(self, store: LocalFiles, fid: str) -> None:
        self._store = store
        self._fid = fid
        self._file: io.FileIO | None = None

    def stdin(self) -> int:
        """Open the file anew, and return its descriptor; raises MediaNotFound or StoreUnavailable."""
        self.close()
        self._file = self._store.open_file(self._fid)
        return self._file.fileno()

    @property
    def error(self) -> Exception | None:
        """The error of the store where FFmpeg stopped reading.

        FFmpeg does not report it reliably: some demuxers take it for the end of the file. But FFmpeg's descriptor and
        ours share a position, and a read that fails leaves it as it was.
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
def open_input(store: MediaStore, fid: str) -> Iterator[tuple[str, MediaInput]]:
    """Yield a stored file as an input of FFmpeg, and the URL that FFmpeg reads it at."""
    if isinstance(store, LocalFiles):
        with closing(LocalFile(store, fid)) as file:
            yield URL, file
    else:
        with serve_input(store, fid) as (url, source):
            yield url, source


@contextmanager
def serve_input(store: MediaStore, fid: str, suffix: str = "") -> Iterator[tuple[str, MediaInput]]:
    """Yield the same as `opened`, but always over HTTP, at a URL with a suffix."""
    source = Source(store, fid, suffix)
    with serve(source) as url:
        yield url, source
