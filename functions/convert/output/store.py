"""The upload of a finished audio file to the media store."""

from __future__ import annotations

from soundlift.common.jobs.document import audio_name
from soundlift.common.jobs.model import Job
from soundlift.common.media import MediaInfo
from soundlift.common.services import Services

from ..heartbeat import ClaimHeartbeat
from .finish import FinishedFile

BLOCK = 256 * 1024


def store_audio(job: Job, audio: FinishedFile, fid: str, heartbeat: ClaimHeartbeat, services: Services) -> None:
    """Put an audio file into the media store; raises StoreUnavailable, or the heartbeat's reason to stop."""
    info = MediaInfo(
        owner=job.username, file_name=audio_name(job), content_type=audio.format.facts.media_type, job_id=job.id
    )  # fmt: skip
    writer = services.mp3s.create(fid, info)
    try:
        writer.write(audio.head.content)
        with audio.path.open("rb") as file:
            file.seek(audio.head.replaces)
            while block := file.read(BLOCK):
                heartbeat.check()
                writer.write(block)
        writer.commit()
    except BaseException:
        writer.abort()
        raise
