"""The content of a mail, independent of how it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from soundlift.common.jobs.document import audio_format, audio_name, expiry_time, page_address, signed_link
from soundlift.common.jobs.model import LOST, Job
from soundlift.common.printable import escaped
from soundlift.common.services import Services
from soundlift.common.sizes import size_text

from .advice import NOT_MEDIA, advice
from .wording import moment_text, readable_length, readable_period

CODECS = {"aac": "AAC", "alac": "ALAC"}  # of formats whose name leaves it open


@dataclass(frozen=True)
class Link:
    """A link with a label; `lead_in` is the sentence before it in plain text."""

    label: str
    lead_in: str
    url: str


@dataclass(frozen=True)
class MailContent:
    """The content of a mail: plain text without line breaks, not yet escaped.

    `file` is a file name, and `facts` describe it. `links` are the main one and others. `notes` are less important than
    `paragraphs`. `reason` explains who sent the mail and why.
    """

    subject: str
    heading: str
    links: tuple[Link, ...]
    reason: str
    file: str = ""
    facts: tuple[str, ...] = ()
    paragraphs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def ready_content(job: Job, services: Services, moment: float) -> MailContent:
    """Return the content of the mail about a job that is ready, sent at a moment in seconds since 1970."""
    settings = services.settings
    name = escaped(audio_name(job))
    link = signed_link(job, services.tokens.download_link(str(job.mp3_fid)), settings)
    kept_until = expiry_time(job, settings) or moment
    works_until = min(moment + settings.link_seconds, kept_until)
    return MailContent(
        subject=f"Your audio file is ready: {name}",
        heading="Your audio file is ready",
        file=name,
        facts=tuple(_facts(job)),
        paragraphs=tuple(_remarks(job)),
        links=(
            Link("Download the audio file", "Download it:", link),
            Link("Open it in Soundlift", "Play it, get a new link, or delete it in Soundlift:", _page(job, services)),
        ),
        notes=(
            f"The link works for {readable_period(works_until - moment)}, until {moment_text(works_until)}.",
            f"The file is kept until {moment_text(kept_until)}.",
        ),
        reason=reason(services, "a video was uploaded with your account"),
    )


def failed_content(job: Job, services: Services) -> MailContent:
    """Return the content of the mail about a job that failed."""
    name = escaped(job.file_name)
    size = size_text(job.video_bytes) if job.video_bytes is not None else ""
    kept_until = None if job.error_code in LOST or not job.has_video else expiry_time(job, services.settings)
    return MailContent(
        subject=f"We could not convert {name}",
        heading="We could not convert your video",
        file=name,
        facts=(size,) if size else (),
        paragraphs=tuple(_problem(job)),
        links=(Link("Open it in Soundlift", "Open it in Soundlift:", _page(job, services)),),
        notes=(f"The uploaded video is kept until {moment_text(kept_until)}.",)
        if kept_until and job.error_code not in LOST
        else (),
        reason=reason(services, "a video was uploaded with your account"),
    )


def _problem(job: Job) -> Iterator[str]:
    """Yield what went wrong and what to do, which is one sentence if a link leads to something other than a video."""
    yield escaped(" ".join((job.error or "Something went wrong.").split()))
    if job.has_video or job.error_code != NOT_MEDIA:
        yield advice(job.error_code)


def _facts(job: Job) -> Iterator[str]:
    """Yield what is known of an audio file: its format and bit rate, its length and its size."""
    codec = CODECS.get(job.audio.codec or "") if job.audio else None
    yield f"{audio_format(job).title} ({codec})" if codec else audio_format(job).title
    if job.audio and job.audio.bitrate is not None:
        yield f"{job.audio.bitrate} kbit/s"
    if job.length is not None:
        yield readable_length(job.length)
    if job.mp3_bytes is not None:
        yield size_text(job.mp3_bytes)


def _remarks(job: Job) -> Iterator[str]:
    """Yield what the owner of an audio file should know of it."""
    audio = job.audio
    if job.missing_seconds:
        yield f"{max(0.1, job.missing_seconds):.1f} s of the audio could not be read and are missing."
    if audio and audio.copied:
        yield "It has the sound of the video unchanged, which was copied and not encoded again."
    if audio and audio.cut_start is not None and audio.cut_end is not None:
        yield f"It begins at {audio.cut_start:.3f} s of the video and ends at {audio.cut_end:.3f} s."


def _page(job: Job, services: Services) -> str:
    return page_address(services.settings, job.id)


def reason(services: Services, cause: str) -> str:
    """Return the sentence that says who sent the mail and why."""
    return f"Sent by Soundlift at {urlsplit(services.settings.public_url).netloc}, because {cause}."
