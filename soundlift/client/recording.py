"""What is kept of one upload while a file is sent, so that a later process can continue it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from soundlift.client.api import Api
from soundlift.client.errors import ApiError
from soundlift.client.resumable_upload import OnResumable
from soundlift.client.upload_records import Begun, UploadRecord, UploadRecords
from soundlift.client.uploads import Upload


@dataclass(frozen=True)
class Source:
    """The file of an upload, if a later process can find it again, and what its user wants to know."""

    path: Path | None = None
    on_resumable: OnResumable | None = None


class Recording:
    """The record of one upload, if there can be one: opened when it is needed, until it is closed or forgotten."""

    def __init__(
        self, api: Api, records: UploadRecords | None, upload: Upload, options: Mapping[str, str], source: Source
    ) -> None:
        self._api = api
        self._records = records
        self._upload = upload
        self._options = dict(options)
        self._source = source
        self._record: UploadRecord | None = None

    @property
    def begun(self) -> Begun | None:
        """Return what this process or an earlier one has begun, as far as the record is open."""
        return self._record.begun if self._record else None

    @property
    def on_resumable(self) -> OnResumable | None:
        """Return the callback of the user if the upload is recorded."""
        return self._source.on_resumable if self._record else None

    def find(self) -> Begun | None:
        """Return what an earlier process has begun; raises ClientError, but asks nobody if there are no records."""
        if self._records is not None and not self._records.is_empty:
            self.open()
        return self.begun

    def open(self) -> None:
        """Open the record of the file as it is now, sent by this user with these options; raises ClientError."""
        path = self._source.path
        if self._record or self._records is None or path is None:
            return
        with suppress(OSError):
            status = path.stat()
            self._record = self._records.open(
                {
                    "server": self._api.connection.url,
                    "user": self._user(),
                    "path": os.fsdecode(path.resolve()),
                    "name": self._upload.name,
                    "size": self._upload.size,
                    "modified": status.st_mtime_ns,
                    "options": self._options,
                }
            )

    def keep(self, begun: Begun, done: int) -> None:
        """Record an upload of which the server has `done` bytes, and report it; raises ClientError or OSError."""
        self.open()
        if self._record and self._upload.size is not None:
            self._record.save(begun)
            if self._source.on_resumable:
                self._source.on_resumable(done, self._upload.size)

    def forget(self) -> None:
        """Remove the record: the upload has ended, or is sent in another way."""
        if self._record:
            self._record.remove()
            self._record.close()
            self._record = None

    def close(self) -> None:
        """Release the record, which a later process may then continue."""
        if self._record:
            self._record.close()
            self._record = None

    def _user(self) -> str:
        """Return a text that stands for the user: the name in the token, or a digest of a token that shows none."""
        try:
            claims = self._api.json("GET", "/validate").get("claims")
        except ApiError:
            claims = None
        if isinstance(claims, dict) and isinstance(claims.get("username"), str):
            return str(claims["username"])
        return hashlib.sha256(self._api.session.token().encode()).hexdigest()
