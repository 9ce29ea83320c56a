"""A mail: its headers, and its content as plain text and as HTML."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

from soundlift.common.jobs.model import Job, State
from soundlift.common.services import Services

from .content import MailContent, failed_content, ready_content
from .html_body import html_body
from .text_body import text_body


def compose_for_job(job: Job, services: Services) -> EmailMessage:
    """Return the mail about a job that is ready or failed, to its owner.

    Its Message-ID (RFC 5322, section 3.6.4) is the same until the owner retries the job, so that mail programs show a
    repeated mail once.
    """
    moment = time.time()
    content = ready_content(job, services, moment) if job.state == State.READY else failed_content(job, services)
    retry = f".{job.retries}" if job.retries else ""
    return compose(content, services, recipient=job.username, message_id=f"{job.id}.{job.state}{retry}", moment=moment)


def compose(
    content: MailContent, services: Services, *, recipient: str, message_id: str, moment: float
) -> EmailMessage:
    """Return a mail as plain text and as HTML, sent at a moment in seconds since 1970."""
    sender = Address(addr_spec=parseaddr(services.settings.mail_from)[1])
    message = EmailMessage()
    message["From"] = services.settings.mail_from
    message["To"] = Address(addr_spec=recipient)
    message["Date"] = format_datetime(datetime.fromtimestamp(moment, UTC))
    message["Message-ID"] = f"<{message_id}@{sender.domain or 'localhost'}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834, section 5
    message["Subject"] = content.subject
    message.set_content(text_body(content))
    message.add_alternative(html_body(content), subtype="html")
    return message
