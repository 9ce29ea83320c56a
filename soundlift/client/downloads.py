"""Downloads that continue where they were interrupted (RFC 9110, sections 13.1.5 and 14)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, Protocol

import urllib3

from soundlift.client.connection_errors import connection_errors
from soundlift.client.errors import ApiError, ClientError, ConnectionFailed
from soundlift.client.output_file import PartialFile, check_output
from soundlift.client.retries import Retries, is_temporary
from soundlift.client.transfers import BLOCK, Progress

MAX_TRIES = 5  # without a byte in between
RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)")
LENGTH = re.compile(r"[0-9]{1,18}")

Fetch = Callable[[str, dict[str, str]], urllib3.BaseHTTPResponse]
"""A function that sends a request with a method and headers, and returns the response."""


class Sink(Protocol):
    """Where the bytes of a download go."""

    def position(self) -> int:
        """Return the number of bytes received so far."""

    def write(self, block: bytes) -> None:
        """Append bytes."""

    def begin(self, version: str | None) -> None:
        """Begin with the first byte of a version; raises ConnectionFailed if bytes cannot be taken back."""


@dataclass
class Transfer:
    """One download, over as many requests as it takes; the version is the strong entity tag of what is received."""

    fetch: Fetch
    sink: Sink
    retries: Retries
    on_progress: Progress | None
    version: str | None = None
    total: int | None = None
    _tries: int = field(default=0, init=False)

    def run(self) -> None:
        """Receive everything; raises ApiError, and ConnectionFailed after several tries without a byte."""
        pauses = self.retries.pauses()
        while self.total is None or self.sink.position() < self.total or self.total == 0:
            before = self.sink.position()
            response = self._request()
            try:
                self._position(response)
                self._save(response)
            except ConnectionFailed as error:
                progressed = self.version is not None and self.sink.position() > before
                self._tries = 0 if progressed else self._tries + 1
                pauses = self.retries.pauses() if progressed else pauses
                self.retries.pause(error, pauses, self._may_repeat)
            else:
                return
            finally:
                response.close()

    def _may_repeat(self, error: ClientError) -> bool:
        return is_temporary(error) and self._tries < MAX_TRIES

    def _request(self) -> urllib3.BaseHTTPResponse:
        try:
            return self.fetch("GET", self._headers())
        except ApiError as error:
            if error.status != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or self.version is None:
                raise
            self.version = None  # the file has fewer bytes than have been received
            return self.fetch("GET", self._headers())

    def _headers(self) -> dict[str, str]:
        headers = {"Accept-Encoding": "identity"}
        if self.version is not None and self.sink.position():
            headers |= {"Range": f"bytes={self.sink.position()}-", "If-Range": self.version}
        return headers

    def _position(self, response: urllib3.BaseHTTPResponse) -> None:
        """Continue at the position that the response begins with, or begin anew."""
        version = strong_version(response)
        if response.status == HTTPStatus.PARTIAL_CONTENT:
            sent = RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if sent is None or int(sent[1]) != self.sink.position() or version not in (None, self.version):
                self.version = None
                raise ConnectionFailed("The server sent another part of the file than the missing one.", temporary=True)
            self.total = None if sent[2] == "*" else int(sent[2])
            return
        self.total = announced_length(response)
        self.version = version
        self.sink.begin(version)

    def _save(self, response: urllib3.BaseHTTPResponse) -> None:
        with connection_errors():
            # read1 returns what has arrived, so that nothing of it is lost if the connection breaks.
            while block := response.read1(BLOCK):
                self.sink.write(block)
                if self.on_progress:
                    self.on_progress(self.sink.position(), self.total)
        if self.total is not None and self.sink.position() != self.total:
            raise ConnectionFailed("The server sent a file of another length than announced.")


def strong_version(response: urllib3.BaseHTTPResponse) -> str | None:
    """Return the entity tag of a response if it stands for the same bytes each time."""
    tag = str(response.headers.get("ETag", ""))
    return tag if tag.startswith('"') and tag.isascii() and tag.isprintable() else None


def announced_length(response: urllib3.BaseHTTPResponse) -> int | None:
    """Return the length of a response's body in bytes, if it is known before the end."""
    length = str(response.headers.get("Content-Length", ""))
    return int(length) if LENGTH.fullmatch(length) else None


class OpenFile:
    """A file that the caller has opened; if it cannot seek, received bytes cannot be taken back."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._position = 0
        self._start = file.tell() if file.seekable() else None

    def position(self) -> int:
        """Return the number of bytes received so far."""
        return self._position

    def write(self, block: bytes) -> None:
        """Append bytes."""
        self._file.write(block)
        self._position += len(block)

    def begin(self, version: str | None) -> None:
        """Begin with the first byte; raises ConnectionFailed if bytes have been written that cannot be taken back."""
        if self._position and self._start is None:
            raise ConnectionFailed("The download was interrupted, and the server cannot continue it.")
        if self._position and self._start is not None:
            self._file.seek(self._start)
            self._file.truncate()
        self._position = 0


class NewFile:
    """A file that gets its final name once it is complete, and continues the part that an earlier process received."""

    def __init__(self, path: Path, key: str, *, replace: bool) -> None:
        self._path = path
        self._key = key
        self._replace = replace
        self._partial: PartialFile | None = None

    @contextmanager
    def opened(self) -> Iterator[NewFile]:
        """Check the path, and at the end give the file its final name; after an error, keep what can be continued."""
        check_output(self._path, replace=self._replace)
        keep = True
        try:
            yield self
            keep = False
            if self._partial:
                self._partial.publish(self._path, replace=self._replace)
        except OSError:
            keep = False  # such as of a full disk, which the partial file would keep full
            raise
        finally:
            if self._partial:
                self._partial.close(keep=keep)

    def continued(self, fetch: Fetch) -> tuple[str | None, int | None]:
        """Return the version and the length of the file whose part an earlier process received, if there is one.

        The server must still have that version.
        """
        if not PartialFile.exists_for(self._path, self._key):
            return None, None
        response = fetch("HEAD", {"Accept-Encoding": "identity"})
        response.close()
        version = strong_version(response)
        if version is None:
            return None, None
        self._open(version)
        return (version, announced_length(response)) if self.position() else (None, None)

    def position(self) -> int:
        """Return the number of bytes received so far."""
        return self._partial.size if self._partial else 0

    def write(self, block: bytes) -> None:
        """Append bytes."""
        assert self._partial is not None, "a transfer begins before it writes"
        self._partial.file.write(block)
        self._partial.file.flush()

    def begin(self, version: str | None) -> None:
        """Begin with the first byte of a version."""
        self._open(version)
        assert self._partial is not None
        self._partial.file.seek(0)
        self._partial.file.truncate()

    def _open(self, version: str | None) -> None:
        if self._partial:
            self._partial.close(keep=False)
        self._partial = PartialFile(self._path, self._key, version)
        self._partial.remove_older(self._key)
