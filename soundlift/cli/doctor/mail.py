"""Check of the mail server: connection, TLS and login, without sending anything."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from soundlift.cli.doctor.finding import Check, Finding, ok, skipped, warning
from soundlift.cli.doctor.hosts import is_private
from soundlift.common.errors import MailUnavailable
from soundlift.common.mail import Mail
from soundlift.common.services import Services
from soundlift.common.settings import Settings

PART = "mail"
REPLY_SECONDS = 5.0
TOTAL_SECONDS = 10.0
DEFAULT_URL = Settings.__dataclass_fields__["smtp_url"].default


def check_mail(services: Services) -> Iterator[Finding]:
    """Yield one finding for the server, and one for the sender's address."""
    settings = services.settings
    mail = Mail(settings.smtp_url, ca_file=settings.smtp_ca_file, timeout=REPLY_SECONDS, total_timeout=TOTAL_SECONDS)
    try:
        encrypted = mail.check_login()
    except MailUnavailable:
        if settings.embedded and settings.smtp_url == DEFAULT_URL:
            yield skipped(PART, "no mail server is set; `soundlift up` keeps mails in the data folder")
            return
        raise
    address = urlsplit(settings.smtp_url)
    host, login = address.hostname or "", " and the login" if address.username else ""
    yield ok(PART, f"{host} accepts the connection{login}{', encrypted' if encrypted else ''}")
    if not encrypted and not is_private(host):
        advice = "use smtps://, or a server that offers STARTTLS"
        yield warning(PART, f"mails to {host} are not encrypted", advice)
    if settings.mail_from.endswith("@localhost") and not is_private(host):
        advice = "set it to an address of your domain, or other servers will reject the mails"
        yield warning(PART, f"MAIL_FROM is {settings.mail_from}", advice)


CHECK = Check(
    PART, "check SMTP_URL and SMTP_CA_FILE, and that the server runs and can be reached from here", check_mail
)
