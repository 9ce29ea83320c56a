"""An SMTP server on the loopback, which keeps messages and refuses or stalls commands on demand."""

from __future__ import annotations

import asyncio
import ssl
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from devservers.ports import free_port

STALL_SECONDS = 0.01


class MailServer:
    """An SMTP server; `replies` overrides replies by command, and the commands in `stalls` are left unanswered.

    With `login`, a user and a password, the server accepts mail from that user only; without `utf8`, only for addresses
    in ASCII.
    """

    def __init__(
        self,
        *,
        starttls: ssl.SSLContext | None = None,
        tls: ssl.SSLContext | None = None,
        login: tuple[str, str] | None = None,
        utf8: bool = True,
    ) -> None:
        self.messages: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.over_tls: list[bool] = []
        self.commands: list[str] = []
        self.replies: dict[str, str] = {}
        self.stalls: set[str] = set()
        self.delay_seconds = 0.0  # before each reply
        self._login = login
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        self.url = f"{'smtps' if tls else 'smtp'}://{self.address}"
        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=port,
            enable_SMTPUTF8=utf8,
            tls_context=starttls,
            ssl_context=tls,
            authenticator=self._authenticate,
            auth_required=login is not None,
            auth_require_tls=starttls is not None,
        )

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802 - aiosmtpd's name
        envelope.mail_from = address
        return await self._reply("MAIL")

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802 - aiosmtpd's name
        envelope.rcpt_tos.append(address)
        return await self._reply("RCPT")

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        reply = await self._reply("DATA")
        if reply.startswith("2"):
            self.messages.append(BytesParser(EmailMessage, policy=policy.default).parsebytes(envelope.content))
            self.recipients.append(list(envelope.rcpt_tos))
            self.over_tls.append(session.ssl is not None or server.transport.get_extra_info("sslcontext") is not None)
        return reply

    async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        return await self._reply("QUIT", "221 Bye")

    async def _reply(self, command: str, usual: str = "250 OK") -> str:
        self.commands.append(command)
        await asyncio.sleep(self.delay_seconds)
        while command in self.stalls:
            await asyncio.sleep(STALL_SECONDS)
        return self.replies.get(command, usual)

    def _authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, credentials: Any) -> AuthResult:
        known = (
            isinstance(credentials, LoginPassword)
            and (credentials.login.decode(), credentials.password.decode()) == self._login
        )
        return AuthResult(success=known, handled=False)

    def stop(self) -> None:
        self.stalls.clear()
        if self._controller.server is not None:
            self._controller.stop()

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
