"""A store for direct uploads to which every part has been sent whose URL was signed."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from soundlift.common.db.tables import jobs
from soundlift.common.errors import MediaNotFound
from soundlift.common.media import MediaInfo, MediaStore
from soundlift.common.media.direct import StoredPart
from soundlift.common.services import Services
from tests.factories.jobs import MP4
from tests.factories.media import store
from tests.openapi.document import read_document

LARGEST = 2**20  # bytes of a file that is stored
PART_BYTES = 700  # the upload of the examples has three parts


class SignedIsSent:
    """Direct transfers into another store; the files are videos as far as their first bytes show it."""

    def __init__(self, videos: MediaStore) -> None:
        self._videos = videos
        self._parts: dict[str, dict[int, int]] = {}

    def begin(self, fid: str, info: MediaInfo) -> str:
        self._parts[fid] = {}
        return fid

    def sign_part(self, fid: str, reference: str, *, number: int, size: int, seconds: int) -> str:
        self._parts.setdefault(reference, {})[number] = size
        return f"https://s3.example.org/{fid}?partNumber={number}"

    def parts(self, fid: str, reference: str) -> list[StoredPart]:
        if reference not in self._parts:
            raise MediaNotFound("no such upload")
        return [StoredPart(number, size, "tag") for number, size in sorted(self._parts[reference].items())]

    def complete(self, fid: str, reference: str, parts: Sequence[StoredPart]) -> None:
        size = sum(part.size for part in parts)
        if size > LARGEST:
            raise MediaNotFound("no such upload")
        store(self._videos, fid, (MP4 + bytes(LARGEST))[:size])
        del self._parts[reference]

    def sign_download(self, fid: str, *, disposition: str, media_type: str, seconds: int) -> str:
        return f"https://s3.example.org/{fid}"


def add_direct_uploads(services: Services, username: str) -> None:
    """Offer direct uploads, and begin those that the examples name."""
    services.direct_videos = transfers = SignedIsSent(services.videos)
    api = read_document().root
    (parameter,) = api["paths"]["/upload/direct/{job_id}/complete"]["parameters"]
    for job_id in (parameter["example"], api["components"]["parameters"]["DirectUploadId"]["example"]):
        job = services.jobs.receive(
            username=username, file_name="a.mp4", content_type="video/mp4", traceparent=None, part_bytes=PART_BYTES
        )
        change = sa.update(jobs).where(jobs.c.id == job.id)
        services.database.change(change.values(id=job_id, video_bytes=len(MP4), direct_upload=job.video_fid))
        for number in (1, 2, 3):
            size = min(PART_BYTES, len(MP4) - (number - 1) * PART_BYTES)
            transfers.sign_part(job.video_fid, job.video_fid, number=number, size=size, seconds=1)
