"""The content of a mail, independent of how it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from soundlift.common.jobs.document import audio_name, expiry_time, page_address, signed_link
from soundlift.common.jobs.model import Job
from soundlift.common.printable import escaped
from soundlift.common.services import Services
from soundlift.common.sizes import size_text

from .advice import advice
from .wording import moment_text, readable_length, readable_period

FORMAT = "MP3"


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
    mp3 = escaped(audio_name(job))
    link = signed_link(job, services.tokens.download_link(str(job.mp3_fid)), settings)
    kept_until = expiry_time(job, settings) or moment
    works_until = min(moment + settings.link_seconds, kept_until)
    length = readable_length(job.length) if job.length is not None else ""
    size = size_text(job.mp3_bytes) if job.mp3_bytes is not None else ""
    return MailContent(
        subject=f"Your MP3 is ready: {mp3}",
        heading="Your MP3 is ready",
        file=mp3,
        facts=tuple(fact for fact in (FORMAT, length, size) if fact),
        paragraphs=(_loss(job.missing_seconds),) if job.missing_seconds else (),
        links=(
            Link("Download the MP3", "Download it:", link),
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
    kept_until = expiry_time(job, services.settings)
    return MailContent(
        subject=f"We could not convert {name}",
        heading="We could not convert your video",
        file=name,
        facts=(size,) if size else (),
        paragraphs=(escaped(" ".join((job.error or "Something went wrong.").split())), advice(job.error_code)),
        links=(Link("Open it in Soundlift", "Open it in Soundlift:", _page(job, services)),),
        notes=(f"The uploaded video is kept until {moment_text(kept_until)}.",) if kept_until else (),
        reason=reason(services, "a video was uploaded with your account"),
    )


def _page(job: Job, services: Services) -> str:
    return page_address(services.settings, job.id)


def _loss(seconds: float) -> str:
    return f"{max(0.1, seconds):.1f} s of the audio could not be read and are missing."


def reason(services: Services, cause: str) -> str:
    """Return the sentence that says who sent the mail and why."""
    return f"Sent by Soundlift at {urlsplit(services.settings.public_url).netloc}, because {cause}."
