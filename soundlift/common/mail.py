"""Sends mail over SMTP."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

from soundlift.common.errors import MailRefused, MailUnavailable, SettingError

TIMEOUT_SECONDS = 20
DEFAULT_PORTS = {"smtp": 25, "smtps": 465}


class Mail:
    """Hands messages to one SMTP server (RFC 5321), a new connection for each."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
            raise SettingError("Setting SMTP_URL must be smtp://HOST:PORT or smtps://HOST:PORT.", setting="SMTP_URL")
        self._tls = parts.scheme == "smtps"
        self._address = (parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme])
        self._login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None

    def send(self, message: EmailMessage, recipient: str) -> None:
        """Send a message to one recipient, whatever its headers say.

        Raises MailRefused when the server refuses this recipient for good (a 5xx reply to RCPT), else
        MailUnavailable.
        """
        try:
            with self._connect() as server:
                server.send_message(message, to_addrs=[recipient])
        except smtplib.SMTPRecipientsRefused as refusal:
            status, reply = next(iter(refusal.recipients.values()))
            text = f"{status} {reply.decode(errors='replace') if isinstance(reply, bytes) else reply}"
            if status >= 500:
                raise MailRefused(f"The mail server refuses this address: {text}") from None
            raise MailUnavailable("The mail server takes no mail for this address now.", cause=text) from None
        except (OSError, smtplib.SMTPException) as error:
            raise MailUnavailable("The mail server does not take mail.", cause=str(error)) from error

    def check(self) -> None:
        """Raise MailUnavailable unless the server greets us."""
        try:
            with self._connect() as server:
                server.noop()
        except (OSError, smtplib.SMTPException) as error:
            raise MailUnavailable("The mail server does not answer.", cause=str(error)) from error

    def _connect(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self._tls:
            server: smtplib.SMTP = smtplib.SMTP_SSL(*self._address, timeout=TIMEOUT_SECONDS, context=context)
        else:
            server = smtplib.SMTP(*self._address, timeout=TIMEOUT_SECONDS)
            server.ehlo()
            if server.has_extn("starttls"):
                server.starttls(context=context)
        if self._login:
            server.login(*self._login)
        return server
