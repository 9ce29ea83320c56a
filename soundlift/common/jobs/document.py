"""The JSON document of a job."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from soundlift.common.audio.output_formats import FORMATS, AudioFormat
from soundlift.common.errors import Gone, NotReady
from soundlift.common.jobs.model import MAX_DATE, AudioDescription, Job, State
from soundlift.common.notifications.model import Notification
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.settings import Settings


def job_document(job: Job, settings: Settings, notifications: Sequence[Notification] = ()) -> dict[str, Any]:
    """Return the fields of a job that clients see; sizes in bytes, `length` and `missing_seconds` in seconds."""
    options = replace(AudioOptions.from_row(job.options, settings), webhook=job.webhook)
    return {
        "job_id": job.id,
        "state": job.state,
        "percent": job.percent,
        "file_name": job.file_name,
        "source_url": job.source_url,
        "username": job.username,
        "video_fid": job.video_fid,
        "video_bytes": None if job.state == State.IMPORTING else job.video_bytes,
        "mp3_fid": job.mp3_fid if job.state == State.READY else None,
        "mp3_bytes": job.mp3_bytes,
        "length": job.length,
        "missing_seconds": job.missing_seconds,
        "options": options.document(),
        **_audio_document(job.audio or AudioDescription(format=options.format)),
        "error": {"code": job.error_code, "detail": job.error} if job.error_code else None,
        "created_at": iso_time(job.created_at),
        "updated_at": iso_time(job.updated_at),
        "ended_at": iso_time(job.ended_at),
        "expires_at": iso_time(expiry_time(job, settings)),
        "notifications": [_notification_document(notification) for notification in notifications],
        "links": job_links(job, settings),
    }


def _audio_document(audio: AudioDescription) -> dict[str, Any]:
    """Return the fields that describe an audio file; while there is none, only the requested format is known."""
    is_cut = audio.cut_start is not None and audio.cut_end is not None
    return {
        "format": audio.format,
        "codec": audio.codec,
        "bitrate": audio.bitrate,
        "sample_rate": audio.sample_rate,
        "channels": audio.channels,
        "copied": audio.copied,
        "cut": {"start": audio.cut_start, "end": audio.cut_end} if is_cut else None,
    }


def _notification_document(notification: Notification) -> dict[str, Any]:
    return {
        "channel": notification.channel,
        "webhook": notification.webhook,
        "delivered_at": iso_time(notification.delivered_at),
        "error": notification.error,
    }


def iso_time(seconds: float | None) -> str | None:
    """Return a time in seconds since 1970 in ISO 8601; None for None and for times that it cannot express."""
    if seconds is None or not 0 <= seconds <= MAX_DATE:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def expiry_time(job: Job, settings: Settings) -> float | None:
    """Return when the files of a job expire or expired; None while it is in progress.

    If its owner has not been notified by then, they expire after that.
    """
    if job.state == State.EXPIRED:
        return job.changed_at
    return job.changed_at + settings.retention_seconds if job.ended else None


def job_links(job: Job, settings: Settings) -> dict[str, str]:
    """Return the links of a job, as absolute URLs below PUBLIC_URL."""
    links = {"self": f"{settings.public_url}/jobs/{job.id}", "page": page_address(settings, job.id)}
    if job.state == State.READY:
        links["download"] = f"{settings.public_url}/download?fid={job.mp3_fid}"
    if job.has_waveform:
        links["waveform"] = f"{links['self']}/waveform"
    return links


def page_address(settings: Settings, job_id: str | None = None) -> str:
    """Return the address of the page for people, opened at a job if one is given."""
    return f"{settings.public_url}/web/{f'#job={job_id}' if job_id else ''}"


def audio_name(job: Job) -> str:
    """Return the file name of a downloaded audio file."""
    return named_after(job.file_name, audio_format(job))


def named_after(file_name: str, audio: AudioFormat) -> str:
    """Return the name of an audio file that was made from a video: the video's, with its suffix replaced."""
    stem, dot, suffix = file_name.rpartition(".")
    return f"{stem if dot and stem and len(suffix) <= 5 else file_name}{audio.suffix}"


def audio_format(job: Job) -> AudioFormat:
    """Return the format of a job's audio file; of one that a newer release has made, what is known of it."""
    name = job.audio.format if job.audio else "mp3"
    unknown = AudioFormat(name=name, title=name.upper(), media_type="application/octet-stream")
    return FORMATS.get(name, unknown)


def require_audio(job: Job) -> str:
    """Return the id of a job's audio file; raises Gone if it has expired, NotReady if there is none."""
    if job.state == State.EXPIRED:
        raise Gone(f"The audio file of the job {job.id} has expired and was deleted.")
    if job.state != State.READY or job.mp3_fid is None:
        raise NotReady(f"The job {job.id} has no audio file; its state is {job.state}.")
    return job.mp3_fid


def signed_link(job: Job, token: str, settings: Settings) -> str:
    """Return the URL that downloads a job's audio file without a sign-in."""
    return f"{settings.public_url}/download?fid={job.mp3_fid}&token={quote(token)}"


def archive_link(job_ids: Iterable[str], token: str, settings: Settings) -> str:
    """Return the URL that downloads the audio files of several jobs as a ZIP file without a sign-in."""
    return f"{settings.public_url}/download?jobs={','.join(job_ids)}&token={quote(token)}"
