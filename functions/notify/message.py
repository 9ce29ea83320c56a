"""The mail to a job's owner: its headers, and its content as plain text and as HTML."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

from soundlift.common.jobs.model import Job, State
from soundlift.common.services import Services

from .content import failed_content, ready_content
from .html_body import html_body
from .text_body import text_body


def compose(job: Job, services: Services) -> EmailMessage:
    """Return the mail about a job that is ready or failed, as plain text and as HTML.

    Its Message-ID (RFC 5322, section 3.6.4) is the same until the owner retries the job, so that mail programs show a
    repeated mail once.
    """
    moment = time.time()
    sender = Address(addr_spec=parseaddr(services.settings.mail_from)[1])
    retry = f".{job.retries}" if job.retries else ""
    message = EmailMessage()
    message["From"] = services.settings.mail_from
    message["To"] = Address(addr_spec=job.username)
    message["Date"] = format_datetime(datetime.fromtimestamp(moment, UTC))
    message["Message-ID"] = f"<{job.id}.{job.state}{retry}@{sender.domain or 'localhost'}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834, section 5
    content = ready_content(job, services, moment) if job.state == State.READY else failed_content(job, services)
    message["Subject"] = content.subject
    message.set_content(text_body(content))
    message.add_alternative(html_body(content), subtype="html")
    return message
