"""The way in which a file is uploaded: to the media store, in parts that can be continued, or in one request."""

from __future__ import annotations

from soundlift.client.api import Api
from soundlift.client.direct_uploads import LARGE_BYTES, DirectUploader, is_direct
from soundlift.client.job import Job
from soundlift.client.recording import Recording, Source
from soundlift.client.resumable_uploader import ResumableUploader
from soundlift.client.upload_records import UploadRecords
from soundlift.client.uploads import Upload, Uploader


class Sender:
    """All uploads of one client, each in the best way that the server offers."""

    def __init__(self, api: Api, part_bytes: int, *, keep_records: bool) -> None:
        self._api = api
        self._records = UploadRecords() if keep_records else None
        self._smallest_recorded = min(part_bytes, LARGE_BYTES) + 1
        self._direct = DirectUploader(api)
        self._parts = ResumableUploader(api, part_bytes)
        self._whole = Uploader(api)

    def send(self, upload: Upload, query: dict[str, str], source: Source) -> Job:
        """Send a file, and return its job; raises ClientError, or OSError for the file.

        What an earlier process has begun is continued in the same way, even if there is a better one now.
        """
        is_recorded = upload.size is not None and upload.size >= self._smallest_recorded
        recording = Recording(self._api, self._records if is_recorded else None, upload, query, source)
        try:
            return self._send(upload, query, recording)
        finally:
            recording.close()

    def _send(self, upload: Upload, query: dict[str, str], recording: Recording) -> Job:
        job = None
        begun = recording.find()
        if begun is None or is_direct(begun):
            job = self._direct.send(upload, query, recording)
            if recording.begun:
                recording.forget()
        if job is None and self._parts.takes(upload):
            job = self._parts.send(upload, query, recording)
        return job or self._whole.send(upload, query)
