"""Mail over SMTP."""

from __future__ import annotations

import smtplib
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote, urlsplit

from soundlift.common.errors import MailRefused, MailUnavailable, SettingError

TIMEOUT_SECONDS = 20  # for one reply
MAX_TOTAL_SECONDS = 50  # for all replies: shorter than the claim of a notification
PERMANENT = 500  # RFC 5321, section 4.2.1: replies from 500 on are permanent
DEFAULT_PORTS = {"smtp": 25, "smtps": 465}


class _Smtp(smtplib.SMTP):
    """A connection on which every reply must arrive before `deadline`, a value of time.monotonic."""

    def __init__(self, *arguments: Any, deadline: float, **options: Any) -> None:
        self._deadline = deadline
        super().__init__(*arguments, **options)

    def getreply(self) -> tuple[int, bytes]:
        """Return the next reply; raises TimeoutError after the deadline."""
        remaining = self._deadline - time.monotonic()
        if self.sock and remaining < self.timeout:
            if remaining <= 0:
                raise TimeoutError("the replies took too long")
            self.sock.settimeout(remaining)
        return super().getreply()


class _SmtpOverTls(_Smtp, smtplib.SMTP_SSL):
    """A connection with such a deadline over TLS."""


class Mail:
    """An SMTP server (RFC 5321) that messages are sent to, each over a new connection.

    A password is sent only over TLS or to this machine. The certificate must be signed by the authority in `ca_file`,
    or by a public one.
    """

    def __init__(
        self, url: str, *, ca_file: str = "", timeout: float = TIMEOUT_SECONDS, total_timeout: float = MAX_TOTAL_SECONDS
    ) -> None:
        """Use the server at a URL, with time-outs in seconds for one reply and for all replies; raises SettingError."""
        parts = urlsplit(url)
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
            raise SettingError("Setting SMTP_URL must be smtp://HOST:PORT or smtps://HOST:PORT.", setting="SMTP_URL")
        if not url.isascii() or not unquote(url).isascii():
            raise SettingError("Setting SMTP_URL: user and password must be ASCII.", setting="SMTP_URL")
        self._tls = parts.scheme == "smtps"
        self._address = (parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme])
        self._login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        self._timeout = timeout
        self._total_timeout = total_timeout
        self._context = _tls_context(ca_file)

    def send(self, message: EmailMessage, recipient: str) -> None:
        """Send a message to one recipient, regardless of its headers.

        Raises MailRefused if the server permanently refuses this recipient or this message (a 5xx reply to RCPT or
        DATA, or no support of addresses beyond ASCII), and MailUnavailable for any other failure.
        """
        try:
            with self._connected() as server:
                _send(server, message, recipient)
        except smtplib.SMTPRecipientsRefused as refusal:
            status, reply = next(iter(refusal.recipients.values()))
            raise _error("this address", status, reply) from None
        except smtplib.SMTPDataError as refusal:
            raise _error("this mail", refusal.smtp_code, refusal.smtp_error) from None
        except (OSError, smtplib.SMTPException) as error:
            raise MailUnavailable("The mail server does not accept mail.", cause=str(error)) from error

    def check(self) -> None:
        """Raise MailUnavailable unless the server answers and accepts the login."""
        self.check_login()

    def check_login(self) -> bool:
        """Return whether the connection is encrypted; raises MailUnavailable as `check` does."""
        try:
            with self._connected() as server:
                server.noop()
                return isinstance(server.sock, ssl.SSLSocket)
        except (OSError, smtplib.SMTPException) as error:
            raise MailUnavailable("The mail server does not answer.", cause=str(error)) from error

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        """Yield a connection, and close it; errors of QUIT are ignored, since the mail has already been accepted."""
        server = self._connect()
        try:
            self._prepare(server)
            yield server
            with suppress(OSError, smtplib.SMTPException):
                server.quit()
        finally:
            server.close()

    def _connect(self) -> smtplib.SMTP:
        deadline = time.monotonic() + self._total_timeout
        if self._tls:
            return _SmtpOverTls(*self._address, timeout=self._timeout, context=self._context, deadline=deadline)
        return _Smtp(*self._address, timeout=self._timeout, deadline=deadline)

    def _prepare(self, server: smtplib.SMTP) -> None:
        server.ehlo()
        if not self._tls and server.has_extn("starttls"):
            server.starttls(context=self._context)
        if self._login:
            if not isinstance(server.sock, ssl.SSLSocket) and not _is_local(server.sock):
                raise MailUnavailable("The mail server offers no TLS, and the password is not sent without TLS.")
            server.login(*self._login)


def _send(server: smtplib.SMTP, message: EmailMessage, recipient: str) -> None:
    try:
        server.send_message(message, to_addrs=[recipient])
    except smtplib.SMTPNotSupportedError:  # SMTPUTF8 (RFC 6531)
        if recipient.isascii():  # it is the sender, which the operator can correct
            raise
        raise MailRefused("The mail server refuses this address: it supports only addresses in ASCII.") from None


def _tls_context(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise SettingError(f"Setting SMTP_CA_FILE: {ca_file} is not usable: {error}.", setting="SMTP_CA_FILE") from None


def _is_local(connection: socket.socket | None) -> bool:
    return connection is not None and ip_address(connection.getpeername()[0]).is_loopback


def _error(what: str, status: int, reply: bytes | str) -> MailRefused | MailUnavailable:
    text = f"{status} {reply.decode(errors='replace') if isinstance(reply, bytes) else reply}"
    if status >= PERMANENT:
        return MailRefused(f"The mail server refuses {what}: {text}")
    return MailUnavailable(f"The mail server does not accept {what} at the moment.", cause=text)
