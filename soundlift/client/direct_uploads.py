"""Uploads of large files straight to the server's media store, where the server offers them."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from soundlift.client.api import Api
from soundlift.client.connection import Request
from soundlift.client.direct_transfer import DirectTransfer, PartUrls, StoreUnusable
from soundlift.client.errors import ApiError, ClientError, FileChanged
from soundlift.client.job import Job
from soundlift.client.recording import Recording
from soundlift.client.upload_records import Begun
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
# An upload that an earlier process began is gone, has taken too long, or was of another request.
LOST = (*GONE, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.UNPROCESSABLE_ENTITY)


def is_direct(begun: Begun) -> bool:
    """Return whether an upload was begun in this way."""
    return begun.path.startswith(f"{PATH}/")


class DirectUploader:
    """The direct uploads of one client, until one of them shows that the server or its store has none for it."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._is_usable = True

    def send(self, upload: Upload, query: dict[str, str], recording: Recording) -> Job | None:
        """Send a large file, or the rest of it, and return its job; None if it must be sent in another way.

        After an error in the middle, a recorded upload is kept for a later process, and another one is not, if the
        server can be reached.
        """
        if not self._is_usable or upload.size is None or upload.size <= LARGE_BYTES:
            return None
        if begun := recording.begun:
            try:
                return self._send(upload, query, begun.key, recording)
            except ApiError as error:
                if error.status not in LOST:
                    raise
            recording.forget()
        return self._send(upload, query, new_key(), recording)

    def _send(self, upload: Upload, query: dict[str, str], key: str, recording: Recording) -> Job | None:
        """Send the parts that the store does not have, if the server knows the key, or else all."""
        begun = self._begin(upload, query, key)
        if begun is None or "parts" not in begun:  # a job, if the answer to an earlier request was lost
            return Job.of(begun) if begun else None
        path = f"{PATH}/{quote(str(begun.get('job_id')), safe='')}"
        try:
            transfer = DirectTransfer(self._api, upload, PartUrls(self._api, f"{path}/parts", begun))
            recording.keep(Begun(path, key), transfer.arrived_bytes)
            transfer.run(recording.on_resumable)
        except StoreUnusable:
            self._is_usable = False
            self._abandon(path)
            return None
        except BaseException as error:
            is_gone = isinstance(error, ApiError) and error.status in GONE
            if is_gone or isinstance(error, FileChanged) or not recording.begun:
                self._abandon(path)
                recording.forget()
            if is_gone:
                return None
            if isinstance(error, BodyFailed):
                raise error.cause from None
            raise
        return self._complete(path, recording)

    def _complete(self, path: str, recording: Recording) -> Job:
        try:
            return Job.of(self._api.json("POST", f"{path}/complete", {}, wait=ANSWER_SECONDS))
        except ApiError as error:
            if error.status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE:  # after which the server keeps nothing
                recording.forget()
            raise

    def _begin(self, upload: Upload, query: dict[str, str], key: str) -> dict[str, Any] | None:
        """Reserve the job of an upload, and return the document of the upload, or None if the server has none.

        The key is not that of another way to send this file. The server answers a repeated one with the same upload,
        and the parts that have arrived, or with the job.
        """
        name = encoded(upload.name[-LONGEST_NAME:]).decode("utf-8", "replace")
        document = {"name": name, "size": upload.size, "type": upload.content_type, "options": query}
        try:
            return self._api.json("POST", PATH, document, headers={"Idempotency-Key": f'"{key}"'})
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
