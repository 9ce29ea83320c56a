"""One attempt to import a video, from the first request to the complete file in the store."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from soundlift.common.jobs.heartbeat import ClaimHeartbeat
from soundlift.common.jobs.model import ImportClaim, Job
from soundlift.common.services import Services

from .failures import TOO_LARGE, ImportFailed
from .naming import sent_name, sent_type
from .receiver import Receiver
from .source import SourceFile, SourceLimits


@dataclass(frozen=True)
class ImportedFile:
    """A complete file in the store, with the name and the type that its server gave it, None if it gave none."""

    size: int
    name: str | None
    content_type: str | None


def import_video(job: Job, claim: ImportClaim, heartbeat: ClaimHeartbeat, services: Services) -> ImportedFile:
    """Store the file at the URL of a claim.

    Raises ImportFailed, ClaimLost, StoreUnavailable, DatabaseUnavailable, or Unavailable if the process has to stop.
    """
    limits, settings = services.limits.of(job.username, services.settings), services.settings
    source = SourceFile(
        services.outbound,
        claim.url,
        SourceLimits(limits.largest_upload, settings.import_seconds, settings.import_least_rate),
        pause=heartbeat.pause,
    )
    content_type: str | None = None
    with Receiver(job, claim, limits, services) as receiver, closing(source.blocks()) as blocks:
        try:
            for block in blocks:
                heartbeat.check()
                if source.received == len(block) and source.head is not None:
                    content_type = sent_type(source.head.headers)
                    receiver.expect(source.length or 0)
                receiver.write(block, content_type)
                heartbeat.report_progress(100 * source.received / source.length if source.length else 0)
        except ImportFailed as failure:
            if failure.code == TOO_LARGE:
                raise ImportFailed(TOO_LARGE, f"A video may have at most {limits.largest_upload} bytes.") from None
            raise
        size = receiver.commit(content_type)
    heartbeat.check()
    name = sent_name(source.head.headers, source.head.url.path) if source.head and not claim.is_named else None
    return ImportedFile(size, name, content_type)
