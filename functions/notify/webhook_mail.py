"""Mail to the owner of a webhook that has begun to fail, or that was disabled by its receiver."""

from __future__ import annotations

import time

import structlog

from soundlift.common.errors import Busy, MailRefused, SoundliftError
from soundlift.common.printable import escaped
from soundlift.common.services import Services
from soundlift.common.webhooks.model import Endpoint

from .content import Link, MailContent, reason
from .message import compose

RETRY_SECONDS = 30
MAX_URL_LENGTH = 200  # of what is shown

log = structlog.get_logger()


def send_webhook_mail(webhook_id: str, services: Services) -> None:
    """Send the mail about a webhook, unless it was sent already, or the webhook works again.

    Raises Busy while another worker sends it, so that the event is retried in case that worker dies.
    """
    alerts = services.webhook_alerts
    claim = alerts.claim(webhook_id)
    if claim is None:
        if alerts.is_pending(webhook_id):
            raise Busy("Another worker is sending this mail.", retry_after=RETRY_SECONDS)
        return
    endpoint, moment = claim.endpoint, time.time()
    message_id = f"{endpoint.id}.{endpoint.state}.{round(endpoint.changed_at)}"
    try:
        content = _content(endpoint, services)
        mail = compose(content, services, recipient=endpoint.username, message_id=message_id, moment=moment)
        services.mail.send(mail, recipient=endpoint.username)
    except MailRefused as refusal:
        log.error("mail refused", detail=refusal.detail)
    except SoundliftError:
        alerts.release(claim)
        raise
    alerts.end(claim)


def _content(endpoint: Endpoint, services: Services) -> MailContent:
    shown = escaped(endpoint.url)
    shown = shown if len(shown) <= MAX_URL_LENGTH else f"{shown[:MAX_URL_LENGTH]}…"
    if endpoint.disabled:
        subject, what = "A webhook was disabled", "wants no more messages, so it was disabled"
        next_ = "Jobs that end from now on are not announced there until you enable it again."
    else:
        subject, what = "A webhook does not work", "has not accepted a message after all attempts"
        next_ = "Later jobs are still announced there. You get no further email about it until it has worked again."
    return MailContent(
        subject=f"{subject}: {_host(endpoint.url)}",
        heading=subject,
        paragraphs=tuple(filter(None, (f"Your webhook {shown} {what}.", endpoint.detail, next_))),
        links=(
            Link("Open Soundlift", "See its deliveries, and send them again:", f"{services.settings.public_url}/web/"),
        ),
        notes=(),
        reason=reason(services, "you have this webhook there"),
    )


def _host(url: str) -> str:
    return escaped(url.split("/")[2])[:MAX_URL_LENGTH] if url.count("/") >= 2 else "webhook"
