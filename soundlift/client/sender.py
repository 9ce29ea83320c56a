"""The way in which a file is uploaded: in parts that can be continued, or in one request."""

from __future__ import annotations

from soundlift.client.api import Api
from soundlift.client.job import Job
from soundlift.client.resumable_uploader import ResumableUploader, Source
from soundlift.client.upload_records import UploadRecords
from soundlift.client.uploads import Upload, Uploader


class Sender:
    """All uploads of one client, each in the best way that the server offers."""

    def __init__(self, api: Api, part_bytes: int, *, keep_records: bool) -> None:
        self._parts = ResumableUploader(api, part_bytes, UploadRecords() if keep_records else None)
        self._whole = Uploader(api)

    def send(self, upload: Upload, query: dict[str, str], source: Source) -> Job:
        """Send a file, and return its job; raises ClientError, or OSError for the file."""
        job = self._parts.send(upload, query, source) if self._parts.takes(upload) else None
        return job or self._whole.send(upload, query)
