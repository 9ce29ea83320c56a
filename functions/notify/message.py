"""The text of the mail to a job's owner."""

from __future__ import annotations

import html
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

from soundlift.common.jobs.document import mp3_name, signed_link
from soundlift.common.jobs.model import Job, State
from soundlift.common.printable import printable
from soundlift.common.services import Services


def compose(job: Job, services: Services) -> EmailMessage:
    """Return the mail about a job that is ready or failed, as plain text and as HTML.

    Its Message-ID is always the same for one outcome (RFC 5322, section 3.6.4), so that mail programs show a repeated
    mail once, and the mail after a retry as another one.
    """
    sender = Address(addr_spec=parseaddr(services.settings.mail_from)[1])
    message = EmailMessage()
    message["From"] = services.settings.mail_from
    message["To"] = Address(addr_spec=job.username)
    message["Date"] = format_datetime(datetime.now(UTC))
    retries = f"{job.retries}." if job.retries else ""
    message["Message-ID"] = f"<{job.id}.{retries}{job.state}@{sender.domain or 'localhost'}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834, section 5
    name = printable(job.file_name, "_")
    if job.state == State.READY:
        _write_ready(message, job, name, services)
    else:
        _write_failed(message, job, name)
    return message


def _write_ready(message: EmailMessage, job: Job, name: str, services: Services) -> None:
    link = signed_link(job, services.tokens.download_link(str(job.mp3_fid)), services.settings)
    mp3, length = printable(mp3_name(job), "_"), duration(job.length or 0)
    expiry = f"The link works for {_hours(services.settings.link_seconds)}."
    loss = f" {_loss(job.missing_seconds)}" if job.missing_seconds else ""
    message["Subject"] = f"Your MP3 is ready: {mp3}"
    message.set_content(
        f"The sound of {name} is ready: {mp3}, {length} long.{loss}\n\nDownload it:\n{link}\n\n{expiry}\n"
    )
    _add_html(
        message,
        f"<p>The sound of <b>{html.escape(name)}</b> is ready: {html.escape(mp3)}, {length} long.{loss}</p>"
        f'<p><a href="{html.escape(link)}">Download the MP3</a></p><p>{expiry}</p>',
    )


def _write_failed(message: EmailMessage, job: Job, name: str) -> None:
    reason = job.error or "Something went wrong."
    message["Subject"] = f"We could not convert {name}"
    message.set_content(f"We could not make an MP3 from {name}.\n\n{reason}\n")
    _add_html(
        message,
        f"<p>We could not make an MP3 from <b>{html.escape(name)}</b>.</p><p>{html.escape(reason)}</p>",
    )


def _add_html(message: EmailMessage, body: str) -> None:
    message.add_alternative(f'<!doctype html>\n<html lang="en"><body>{body}</body></html>\n', subtype="html")


def duration(seconds: float) -> str:
    """Return a readable duration: 5 s, 3:07 min or 1:02:03 h."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{rest:02} h"
    return f"{minutes}:{rest:02} min" if minutes else f"{rest} s"


def _loss(seconds: float) -> str:
    return f"{max(0.1, seconds):.1f} s of its sound could not be read and are missing."


def _hours(seconds: int) -> str:
    hours = seconds // 3600
    return f"{hours} hours" if hours > 1 else f"{max(1, seconds // 60)} minutes"
