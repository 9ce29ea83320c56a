"""Uploads in parts, which continue where they were after an interruption (tus 1.0.0, https://tus.io/protocols)."""

from __future__ import annotations

import re
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from soundlift.client.api import Api
from soundlift.client.connection import Request
from soundlift.client.errors import ApiError, ClientError, ConnectionFailed
from soundlift.client.retries import is_temporary
from soundlift.client.uploads import ANSWER_SECONDS, LONGEST_NAME, MAX_SENT_TRIES, Upload, encoded

if TYPE_CHECKING:
    from urllib3 import HTTPHeaderDict

UPLOADS = "/upload/files"
VERSION = {"Tus-Resumable": "1.0.0"}
PART_TYPE = "application/offset+octet-stream"
PART_BYTES = 32 * 2**20  # no more has to be sent again, and proxies accept a body of this size
MIN_PART_BYTES = 2**20  # what nginx accepts if nobody has set its limit
FAST_SECONDS = 15.0  # a part that took longer is not followed by a larger one: a proxy may limit the time
NUMBER = re.compile(r"[0-9]{1,18}")
ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
NOT_OFFERED = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)
TOO_MANY = "too_many_unfinished_uploads"
AMBIGUOUS = (HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT)

OnResumable = Callable[[int, int], None]
"""A callback that gets the number of bytes from which a later process could continue the upload, and that of all.

It is called before the first part that is sent, after each part, and again if the upload begins anew.
"""


class ResumableUpload:
    """One upload in parts: its path at the server, and how many of its bytes the server has."""

    def __init__(self, api: Api, upload: Upload, part_bytes: int) -> None:
        self._api = api
        self._upload = upload
        self._largest_part = part_bytes
        self._part_bytes = part_bytes
        self._offset_is_known = False
        self._failures = 0
        self._is_complete = False
        self.path = ""
        self.offset = 0
        self.job_id: str | None = None

    @property
    def size(self) -> int:
        """Return the number of bytes of the whole file."""
        assert self._upload.size is not None
        return self._upload.size

    def begin(self, options: Mapping[str, str]) -> None:
        """Announce the file and its options to the server; raises ClientError."""
        name = encoded(self._upload.name[-LONGEST_NAME:]).decode("utf-8", "replace")
        metadata = {**options, "filename": name, "filetype": self._upload.content_type}
        headers = {
            **VERSION,
            **self._upload.key_header,
            "Upload-Length": str(self.size),
            "Upload-Metadata": ",".join(f"{key} {_base64(value)}".rstrip() for key, value in metadata.items()),
            "Content-Length": "0",
        }
        request = Request(method="POST", path=UPLOADS, headers=headers, wait=ANSWER_SECONDS)
        answer = self._api.send(request, self._headers, lambda error: is_temporary(error) and not is_refused(error))
        self.path = f"{UPLOADS}/{_id_of(answer.get('Location', ''))}"
        self.offset, self._offset_is_known = 0, True

    def resume(self, path: str) -> None:
        """Continue an upload that has begun, at the place that the server names; raises ClientError."""
        self.path = path
        self._api.send(self._request("HEAD"), self._find_offset)

    def finish(self, on_part: OnResumable | None) -> None:
        """Send the rest of the file in parts; `on_part` is called after each.

        Raises ClientError, in particular ApiError with a status of GONE if the server does not have the upload any
        more, after repeating a part while the client's rule allows it.
        """
        request = self._request("PATCH")
        while not self._is_complete:
            self._api.send(request, self._send_part, self._may_repeat)
            if on_part:
                on_part(self.offset, self.size)

    def _send_part(self, request: Request, token: str) -> None:
        """Send one part, from the offset that the server has after an error."""
        if not self._offset_is_known:
            self._find_offset(self._request("HEAD"), token)
            if self._is_complete:
                return
        first, end = self.offset, min(self.offset + self._part_bytes, self.size)
        headers = {
            **VERSION,
            "Content-Type": PART_TYPE,
            "Content-Length": str(end - first),
            "Upload-Offset": str(first),
        }
        part = Request(
            method=request.method,
            path=request.path,
            headers=headers,
            body=lambda: self._upload.part(first, end),
            wait=ANSWER_SECONDS,
        )
        started = time.monotonic()
        self._offset_is_known = False
        self._take(self._headers(part, token))
        if self.offset != end:
            raise ConnectionFailed("The server's answer to a part of the file is not one of the protocol tus.")
        self._failures = 0
        self._is_complete = self.offset == self.size
        if time.monotonic() - started < FAST_SECONDS:
            self._part_bytes = min(2 * self._part_bytes, self._largest_part)

    def _find_offset(self, request: Request, token: str) -> None:
        self._take(self._headers(request, token))

    def _take(self, answer: HTTPHeaderDict) -> None:
        """Learn from an answer how many bytes the server has, and the job that it has made of them."""
        offset = answer.get("Upload-Offset", "")
        if not NUMBER.fullmatch(offset) or int(offset) > self.size:
            raise ConnectionFailed("The server's answer has no valid Upload-Offset. Is it Soundlift?")
        self.offset, self._offset_is_known = int(offset), True
        self.job_id = answer.get("Soundlift-Job")
        self._is_complete = self.job_id is not None  # else, an empty part lets the server try again to make one

    def _may_repeat(self, error: ClientError) -> bool:
        """Return whether a part may be sent again.

        Bytes that arrived before an error are no reason to forget it, only an answered part is: an upload whose every
        part ends in an error would otherwise never end (https://github.com/tus/tus-js-client/issues/723). Parts become
        smaller after errors, so that they fit what a proxy or a bad line lets through.
        """
        if isinstance(error, ConnectionFailed) and error.unsent:
            return is_temporary(error)
        too_large = _is_too_large_for_proxy(error) and self._part_bytes > MIN_PART_BYTES
        conflict = isinstance(error, ApiError) and error.status == HTTPStatus.CONFLICT
        if not (too_large or conflict or is_temporary(error)):
            return False
        if isinstance(error, ConnectionFailed) or too_large or conflict or _is_ambiguous(error):
            self._failures += 1
            self._part_bytes = max(self._part_bytes // 2, min(MIN_PART_BYTES, self._largest_part))
        return self._failures < MAX_SENT_TRIES

    def _request(self, method: str) -> Request:
        return Request(method=method, path=self.path, headers=VERSION)

    def _headers(self, request: Request, token: str) -> HTTPHeaderDict:
        """Send a request once, and return the headers of the answer."""
        response = self._api.connection.open(request, token)
        try:
            response.drain_conn()
            return response.headers
        finally:
            response.release_conn()


def is_refused(error: ClientError) -> bool:
    """Return whether a server that knows parts does not receive this file in parts, but may receive it at once."""
    return isinstance(error, ApiError) and error.code == TOO_MANY


def is_offered(api: Api) -> bool:
    """Return whether the server receives uploads in parts; raises ClientError if it cannot be asked.

    An older server answers OPTIONS without a version of tus, and one behind a proxy may not be asked at all.
    """

    def ask(request: Request, token: str) -> bool:
        response = api.connection.open(request, token)
        response.drain_conn()
        response.release_conn()
        versions = response.headers.get("Tus-Version", "").split(",")
        return VERSION["Tus-Resumable"] in [version.strip() for version in versions]

    try:
        return api.send(Request(method="OPTIONS", path=UPLOADS), ask)
    except ApiError as error:
        if error.status == HTTPStatus.UNAUTHORIZED or is_temporary(error):
            raise
        return False


def _id_of(location: str) -> str:
    """Return the id of an upload at the end of its address.

    The rest is not needed, and may be wrong: a server behind a proxy knows its own address only from its settings.
    """
    found = urlsplit(location).path.rpartition("/")[2]
    if not ID.fullmatch(found):
        raise ConnectionFailed("The server's answer has no valid Location. Is it Soundlift?")
    return found


def _base64(text: str) -> str:
    return b64encode(text.encode("utf-8", "replace")).decode()


def _is_ambiguous(error: ClientError) -> bool:
    return isinstance(error, ApiError) and error.status in AMBIGUOUS


def _is_too_large_for_proxy(error: ClientError) -> bool:
    """Return whether a proxy, which sends no problem document, refused the size of a request."""
    return (
        isinstance(error, ApiError)
        and error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        and error.code == "unexpected_answer"
    )
