"""Uploads, each with a key by which the server recognizes it when it is repeated."""

from __future__ import annotations

import mimetypes
import os
import secrets
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from soundlift.client.api import Api
from soundlift.client.connection import Request
from soundlift.client.errors import ApiError, ClientError, ConnectionFailed, FileChanged, NotSupported
from soundlift.client.job import Job
from soundlift.client.retries import is_temporary
from soundlift.client.transfers import BLOCK, Progress

ANSWER_SECONDS = 600  # the server stores the last bytes before it answers
LONGEST_NAME = 255
MAX_SENT_TRIES = 8


class BodyFailed(Exception):
    """An error of the file or of the callback, which urllib3 would take for one of the connection."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Upload:
    """One file, sent from its current position; a file that cannot seek is sent in chunks, and only once."""

    def __init__(self, file: BinaryIO, name: str | None, on_progress: Progress | None) -> None:
        self.name = name or _name_of(file)
        self.sent = 0
        self.tries = 0
        self.key = new_key()
        self._file = file
        self._on_progress = on_progress
        self._start = file.tell() if _can_seek(file) else None
        self.size: int | None = None
        if self._start is not None:
            self.size = file.seek(0, os.SEEK_END) - self._start
            file.seek(self._start)

    @property
    def key_header(self) -> dict[str, str]:
        """Return the header by which the server recognizes this upload."""
        return {"Idempotency-Key": f'"{self.key}"'}

    @property
    def content_type(self) -> str:
        """Return the type that the name stands for."""
        return mimetypes.guess_type(self.name)[0] or "application/octet-stream"

    def request(self, query: dict[str, str]) -> Request:
        """Return the request that sends the file."""
        headers = {
            **self.key_header,
            "Content-Type": self.content_type,
            "X-Filename": quote(encoded(self.name[-LONGEST_NAME:])),
        }
        if self.size is not None:
            headers["Content-Length"] = str(self.size)
        return Request(method="POST", path="/upload", query=query, headers=headers, body=self.part, wait=ANSWER_SECONDS)

    def may_repeat(self, error: ClientError) -> bool:
        """Return whether the server has certainly kept nothing of the last try, and may accept another one."""
        if not is_temporary(error) or (self._start is None and self.sent > 0):
            return False
        if isinstance(error, ConnectionFailed) and not error.unsent and self.tries >= MAX_SENT_TRIES:
            return False
        return not self.is_ambiguous(error)

    @property
    def may_send_again(self) -> bool:
        """Return whether the file can be sent once more after the server has turned out to have nothing of it."""
        return self._start is not None and self.tries < MAX_SENT_TRIES

    def is_ambiguous(self, error: ClientError) -> bool:
        """Return whether the server may have accepted the upload although its answer did not arrive."""
        if isinstance(error, ApiError):
            return error.status in (502, 504)  # from a proxy, which does not know what the server did
        if not isinstance(error, ConnectionFailed) or not error.temporary or error.unsent:
            return False
        return self.size is None or self.sent >= self.size

    def read_at(self, position: int, size: int) -> bytes:
        """Return at most `size` bytes from a position of a file that can seek, for one thread at a time.

        Raises FileChanged at the end of the file.
        """
        assert self._start is not None
        self._file.seek(self._start + position)
        if block := self._file.read(size):
            return block
        raise FileChanged(f"The file became shorter while it was being sent: {position} of {self.size} bytes.")

    def report(self, sent: int) -> None:
        """Report how many bytes have been sent."""
        if self._on_progress:
            self._on_progress(sent, self.size)

    def part(self, first: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield a part of the file in blocks: from its byte `first` to the one before `end`, or to the file's end."""
        self.tries += 1
        self.sent = first
        try:
            if self._start is not None:
                self._file.seek(self._start + first)
            yield from self._blocks(self.size if end is None else end)
        except OSError as error:
            raise BodyFailed(error) from error

    def _blocks(self, end: int | None) -> Iterator[bytes]:
        """Yield the file in blocks, at most as many bytes as it had at first; raises FileChanged if it is shorter."""
        while end is None or self.sent < end:
            block = self._file.read(BLOCK if end is None else min(BLOCK, end - self.sent))
            if not block and end is None:
                return
            if not block:
                raise FileChanged(f"The file became shorter while it was being sent: {self.sent} of {self.size} bytes.")
            yield block
            self.sent += len(block)
            self.report(self.sent)


class Uploader:
    """Uploads of one client, which are repeated until the server has accepted them, but not twice."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def send(self, upload: Upload, query: dict[str, str]) -> Job:
        """Send a file, and return its job."""
        while True:
            try:
                return Job.of(self._send_once(upload, query))
            except BodyFailed as failure:
                raise failure.cause from None
            except ClientError as error:
                if not upload.is_ambiguous(error):
                    raise
                if job := find_job(self._api, upload, error):
                    return job
                if not upload.may_send_again:
                    raise

    def _send_once(self, upload: Upload, query: dict[str, str]) -> dict[str, Any]:
        return self._api.send(upload.request(query), self._api.connection.json, upload.may_repeat)


def find_job(api: Api, upload: Upload, loss: ClientError) -> Job | None:
    """Return the job of an upload whose answer was lost, if there is one; raises the loss if the server is too old.

    To send the file again instead would be answered in the same way, but a server that does not know keys would make a
    second job of it.
    """
    try:
        return Job.of(api.json("GET", "/upload", headers=upload.key_header))
    except NotSupported:
        raise loss from None
    except ApiError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
    return None


def _can_seek(file: BinaryIO) -> bool:
    seekable = getattr(file, "seekable", None)
    return bool(seekable()) if seekable else hasattr(file, "seek")


def _name_of(file: BinaryIO) -> str:
    name = getattr(file, "name", None)
    return Path(name).name if isinstance(name, str) and Path(name).name else "video"


def new_key() -> str:
    """Return a key that no other upload has."""
    return secrets.token_hex(16)


def encoded(name: str) -> bytes:
    """Return a name as UTF-8, with the bytes that the operating system could not decode."""
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return name.encode("utf-8", "replace")
