"""The way in which a file is uploaded: to the media store, in parts that can be continued, or in one request."""

from __future__ import annotations

from soundlift.client.api import Api
from soundlift.client.direct_uploads import DirectUploader
from soundlift.client.job import Job
from soundlift.client.resumable_uploader import ResumableUploader, Source
from soundlift.client.upload_records import UploadRecords
from soundlift.client.uploads import Upload, Uploader


class Sender:
    """All uploads of one client, each in the best way that the server offers."""

    def __init__(self, api: Api, part_bytes: int, *, keep_records: bool) -> None:
        self._direct = DirectUploader(api)
        self._parts = ResumableUploader(api, part_bytes, UploadRecords() if keep_records else None)
        self._whole = Uploader(api)

    def send(self, upload: Upload, query: dict[str, str], source: Source) -> Job:
        """Send a file, and return its job; raises ClientError, or OSError for the file.

        What an earlier process has begun to send in parts is continued, even if the file could go to the media store.
        """
        job = None
        if not self._parts.continues(upload, query, source):
            job = self._direct.send(upload, query)
        if job is None and self._parts.takes(upload):
            job = self._parts.send(upload, query, source)
        return job or self._whole.send(upload, query)
