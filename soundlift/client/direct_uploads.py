"""Uploads of large files straight to the server's media store, where the server offers them."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from soundlift.client.api import Api
from soundlift.client.connection import Request
from soundlift.client.direct_transfer import DirectTransfer, PartUrls, StoreUnusable
from soundlift.client.errors import ApiError, ClientError
from soundlift.client.job import Job
from soundlift.client.uploads import ANSWER_SECONDS, LONGEST_NAME, BodyFailed, Upload, encoded, new_key

LARGE_BYTES = 32 * 2**20  # a smaller file is sent in one request, which is soon repeated
PATH = "/upload/direct"
ABANDON_SECONDS = 10
# An older server takes the request for an upload of this small document, which is in no format of a video.
NOT_OFFERED = (
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.NOT_IMPLEMENTED,
)
GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)  # the server has given the upload up, for example while a computer slept


class DirectUploader:
    """The direct uploads of one client, until one of them shows that the server or its store has none for it."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._is_usable = True

    def send(self, upload: Upload, query: dict[str, str]) -> Job | None:
        """Send a large file, and return its job; None, with nothing kept, if it must be sent in another way.

        After an error in the middle, nothing is kept either, if the server can be reached.
        """
        if not self._is_usable or upload.size is None or upload.size <= LARGE_BYTES:
            return None
        begun = self._begin(upload, query)
        if begun is None or "parts" not in begun:  # a job, if the first answer to the request was lost
            return Job.of(begun) if begun else None
        path = f"{PATH}/{quote(str(begun.get('job_id')), safe='')}"
        try:
            DirectTransfer(self._api, upload, PartUrls(self._api, f"{path}/parts", begun)).run()
        except StoreUnusable:
            self._is_usable = False
            self._abandon(path)
            return None
        except ApiError as error:
            self._abandon(path)
            if error.status not in GONE:
                raise
            return None
        except BodyFailed as failure:
            self._abandon(path)
            raise failure.cause from None
        except BaseException:
            self._abandon(path)
            raise
        return Job.of(self._api.json("POST", f"{path}/complete", {}, wait=ANSWER_SECONDS))

    def _begin(self, upload: Upload, query: dict[str, str]) -> dict[str, Any] | None:
        """Reserve the job of an upload, and return the document of the upload, or None if the server has none."""
        name = encoded(upload.name[-LONGEST_NAME:]).decode("utf-8", "replace")
        document = {"name": name, "size": upload.size, "type": upload.content_type, "options": query}
        key = {"Idempotency-Key": f'"{new_key()}"'}  # not that of another way to send this file
        try:
            return self._api.json("POST", PATH, document, headers=key)
        except ApiError as error:
            if error.status == HTTPStatus.BAD_REQUEST:
                return None  # the server says what is wrong when the file is sent to it, unless it is only older
            if error.status not in NOT_OFFERED:
                raise
        self._is_usable = False
        return None

    def _abandon(self, path: str) -> None:
        """Delete what has been sent, if the server can be reached; otherwise it abandons the upload after a while."""
        with suppress(ClientError):
            request = Request(method="DELETE", path=path, wait=ABANDON_SECONDS)
            self._api.connection.json(request, self._api.session.token())
