"""The upload of a finished audio file to the media store."""

from __future__ import annotations

from soundlift.common.jobs.document import named_after
from soundlift.common.jobs.heartbeat import ClaimHeartbeat
from soundlift.common.jobs.model import Job
from soundlift.common.media import MediaInfo
from soundlift.common.services import Services

from .finish import FinishedFile

BLOCK = 256 * 1024


def store_audio(job: Job, audio: FinishedFile, fid: str, heartbeat: ClaimHeartbeat, services: Services) -> None:
    """Put an audio file into the media store; raises StoreUnavailable, or the heartbeat's reason to stop."""
    facts = audio.format.facts
    name = named_after(job.file_name, facts)
    info = MediaInfo(owner=job.username, file_name=name, content_type=facts.media_type, job_id=job.id)
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
