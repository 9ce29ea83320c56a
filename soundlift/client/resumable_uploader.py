"""The large uploads of one client: sent in parts, recorded, and continued by a later process."""

from __future__ import annotations

from collections.abc import Mapping

from soundlift.client.api import Api
from soundlift.client.errors import ApiError, ClientError
from soundlift.client.job import Job
from soundlift.client.recording import Recording
from soundlift.client.resumable_upload import GONE, NOT_OFFERED, ResumableUpload, is_offered, is_refused
from soundlift.client.upload_records import Begun
from soundlift.client.uploads import BodyFailed, Upload, find_job, new_key

MAX_BEGINNINGS = 3  # of one file, which a server may forget while its network is away


class ResumableUploader:
    """Uploads of files larger than a part, to a server that receives parts."""

    def __init__(self, api: Api, part_bytes: int) -> None:
        self._api = api
        self._part_bytes = part_bytes
        self._is_offered: bool | None = None

    def takes(self, upload: Upload) -> bool:
        """Return whether an upload should be sent in parts; raises ClientError if the server cannot be asked."""
        if not upload.may_send_again or upload.size is None or upload.size <= self._part_bytes:
            return False
        if self._is_offered is None:
            self._is_offered = is_offered(self._api)
        return self._is_offered

    def send(self, upload: Upload, options: Mapping[str, str], recording: Recording) -> Job | None:
        """Send a file, or the rest of it, and return its job; None if the server turns out not to receive parts."""
        recording.open()
        try:
            job = self._send(upload, options, recording)
        except BodyFailed as failure:
            raise failure.cause from None
        recording.forget()
        return job

    def _send(self, upload: Upload, options: Mapping[str, str], recording: Recording) -> Job | None:
        """Send a file, from its beginning if the server does not have the rest of it any more."""
        begun = recording.begun
        loss: ClientError | None = None
        for _ in range(MAX_BEGINNINGS):
            upload.key = begun.key if begun else new_key()
            transfer = ResumableUpload(self._api, upload, self._part_bytes)
            try:
                if begun:
                    transfer.resume(begun.path)
                elif not self._begin(transfer, options):
                    return None
                recording.keep(Begun(transfer.path, upload.key), transfer.offset)
                transfer.finish(recording.on_resumable)
                return Job.of(self._api.json("GET", "/upload", headers=upload.key_header))
            except ApiError as error:
                if error.status not in GONE:
                    raise
                loss = error
                if job := self._find(upload, error):
                    return job
                begun = None
        assert loss is not None
        raise loss

    def _begin(self, transfer: ResumableUpload, options: Mapping[str, str]) -> bool:
        """Return whether the server has begun an upload: not if it keeps too many, or does not know the request."""
        try:
            transfer.begin(options)
        except ApiError as error:
            if is_refused(error):
                return False
            if error.status not in NOT_OFFERED:
                raise
            self._is_offered = False
            return False
        return True

    def _find(self, upload: Upload, loss: ClientError) -> Job | None:
        """Return the job of an upload that the server does not have any more, or None if it has none."""
        try:
            return find_job(self._api, upload, loss)
        except ApiError as error:
            if error.code != "upload_deleted":  # the upload expired, or its job was deleted
                raise
            return None
