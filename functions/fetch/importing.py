"""One attempt to import a video, from the first request to the complete file in the store."""

from __future__ import annotations

from contextlib import closing

from soundlift.common.jobs.heartbeat import ClaimHeartbeat
from soundlift.common.jobs.model import ImportClaim, Job, StoredPart
from soundlift.common.outbound.response import OutboundResponse
from soundlift.common.services import Services

from .failures import TOO_LARGE, ImportFailed
from .naming import sent_name, sent_type
from .receiver import Receiver
from .source import SourceFile, SourceLimits

MAX_VALIDATOR_LENGTH = 1000


def import_video(job: Job, claim: ImportClaim, heartbeat: ClaimHeartbeat, services: Services) -> StoredPart:
    """Store the file at the URL of a claim, or the rest of it, and return the description of the complete file.

    Raises ImportFailed, ClaimLost, UploadSuperseded, StoreUnavailable, MediaNotFound if the store has lost the
    beginning, DatabaseUnavailable, or Unavailable if the process has to stop.
    """
    limits, settings = services.limits.of(job.username, services.settings), services.settings
    source = SourceFile(
        services.outbound,
        claim.url,
        SourceLimits(limits.largest_upload, settings.import_seconds, settings.import_least_rate),
        pause=heartbeat.pause,
        part=claim.part,
    )
    with Receiver(job, claim, limits, services) as receiver, closing(source.blocks()) as blocks:
        try:
            for block in blocks:
                heartbeat.check()
                if source.received == len(block) and source.head is not None:
                    receiver.expect(_described(source, source.head, claim))
                receiver.write(block)
                heartbeat.report_progress(100 * source.received / source.length if source.length else 0)
        except ImportFailed as failure:
            if failure.code == TOO_LARGE:
                raise ImportFailed(TOO_LARGE, f"A video may have at most {limits.largest_upload} bytes.") from None
            raise
        part = receiver.commit()
    heartbeat.check()
    return part


def _described(source: SourceFile, head: OutboundResponse, claim: ImportClaim) -> StoredPart:
    """Return what the first response says of a file; a name that the user has chosen remains.

    A server may send a validator of any length, which need not fit in the row.
    """
    validator = source.validator if source.validator and len(source.validator) <= MAX_VALIDATOR_LENGTH else None
    return StoredPart(
        received=0,
        state="",
        length=source.length,
        validator=validator,
        file_name=None if claim.is_named else sent_name(head.headers, head.url.path),
        content_type=sent_type(head.headers),
    )
