"""The large uploads of one client: sent in parts, recorded, and continued by a later process."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from soundlift.client.api import Api
from soundlift.client.errors import ApiError, ClientError
from soundlift.client.job import Job
from soundlift.client.resumable_upload import GONE, NOT_OFFERED, OnResumable, ResumableUpload, is_offered, is_refused
from soundlift.client.upload_records import Begun, UploadRecord, UploadRecords
from soundlift.client.uploads import BodyFailed, Upload, find_job, new_key

MAX_BEGINNINGS = 3  # of one file, which a server may forget while its network is away


@dataclass(frozen=True)
class Source:
    """The file of an upload, if a later process can find it again, and what its user wants to know."""

    path: Path | None = None
    on_resumable: OnResumable | None = None


class ResumableUploader:
    """Uploads of files larger than a part, to a server that receives parts."""

    def __init__(self, api: Api, part_bytes: int, records: UploadRecords | None) -> None:
        self._api = api
        self._part_bytes = part_bytes
        self._records = records
        self._is_offered: bool | None = None

    def takes(self, upload: Upload) -> bool:
        """Return whether an upload should be sent in parts; raises ClientError if the server cannot be asked."""
        if not upload.may_send_again or upload.size is None or upload.size <= self._part_bytes:
            return False
        if self._is_offered is None:
            self._is_offered = is_offered(self._api)
        return self._is_offered

    def continues(self, upload: Upload, options: Mapping[str, str], source: Source) -> bool:
        """Return whether an earlier process has begun to send a file in parts; raises ClientError."""
        if self._records is None or self._records.is_empty or upload.size is None or upload.size <= self._part_bytes:
            return False
        record = self._record(upload, options, source.path)
        if record is None:
            return False
        record.close()
        return record.begun is not None

    def send(self, upload: Upload, options: Mapping[str, str], source: Source) -> Job | None:
        """Send a file, or the rest of it, and return its job; None if the server turns out not to receive parts."""
        record = self._record(upload, options, source.path)
        try:
            job = self._send(upload, options, record, source.on_resumable)
            if record:
                record.remove()
            return job
        except BodyFailed as failure:
            raise failure.cause from None
        finally:
            if record:
                record.close()

    def _send(
        self,
        upload: Upload,
        options: Mapping[str, str],
        record: UploadRecord | None,
        on_resumable: OnResumable | None,
    ) -> Job | None:
        """Send a file, from its beginning if the server does not have the rest of it any more."""
        begun = record.begun if record else None
        loss: ClientError | None = None
        for _ in range(MAX_BEGINNINGS):
            upload.key = begun.key if begun else new_key()
            transfer = ResumableUpload(self._api, upload, self._part_bytes)
            try:
                if begun:
                    transfer.resume(begun.path)
                elif not self._begin(transfer, options):
                    return None
                if record:
                    record.save(Begun(transfer.path, upload.key))
                    if on_resumable:
                        on_resumable(transfer.offset, transfer.size)
                transfer.finish(on_resumable if record else None)
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

    def _record(self, upload: Upload, options: Mapping[str, str], path: Path | None) -> UploadRecord | None:
        """Return the record of a file as it is now, sent by this user with these options, if there can be one."""
        if self._records is None or path is None:
            return None
        with suppress(OSError):
            status = path.stat()
            return self._records.open(
                {
                    "server": self._api.connection.url,
                    "user": self._user(),
                    "path": os.fsdecode(path.resolve()),
                    "name": upload.name,
                    "size": upload.size,
                    "modified": status.st_mtime_ns,
                    "options": dict(options),
                }
            )
        return None

    def _user(self) -> str:
        """Return a text that stands for the user: the name in the token, or a digest of a token that shows none."""
        try:
            claims = self._api.json("GET", "/validate").get("claims")
        except ApiError:
            claims = None
        if isinstance(claims, dict) and isinstance(claims.get("username"), str):
            return str(claims["username"])
        return hashlib.sha256(self._api.session.token().encode()).hexdigest()
