"""Catches all mail of one machine: an SMTP server on the loopback that keeps what it gets and sends nothing on."""

from __future__ import annotations

import asyncio
import email
import re
from email import policy
from email.message import EmailMessage
from mailbox import Maildir
from pathlib import Path
from threading import Event, Thread

from aiosmtpd.smtp import SMTP, Envelope, Session

from soundlift.common.printable import printable
from soundlift.local.terminal import say

LINK = re.compile(r"https?://\S+")
STARTING_SECONDS = 10


class MailCatcher(Thread):
    """Runs the server in a thread, on a port that is free."""

    def __init__(self, folder: Path) -> None:
        super().__init__(name="mail-catcher", daemon=True)
        self.port = 0
        self._maildir = Maildir(folder, create=True)
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._listening = Event()

    @property
    def url(self) -> str:
        """Return what SMTP_URL is for those who are to be caught."""
        return f"smtp://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server, and return when it listens."""
        super().start()
        if not self._listening.wait(STARTING_SECONDS):
            raise TimeoutError("The mail catcher did not start.")

    def stop(self) -> None:
        """Stop the server, and return when it has."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self.join()

    def run(self) -> None:
        """Serve until stopped."""
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await self._loop.create_server(self._connection, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._stopping.wait()
        server.close()

    def _connection(self) -> SMTP:
        return SMTP(self, enable_SMTPUTF8=True, hostname="localhost", loop=self._loop)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Answer 250 only when the mail is on the disk: from then on it is ours."""
        assert isinstance(envelope.original_content, bytes)
        try:
            self._maildir.add(envelope.original_content)
        except OSError as error:
            say(f"mail not kept: {error.strerror}")
            return "451 4.3.0 The mail cannot be kept now"
        say(_line_of(envelope.rcpt_tos, envelope.original_content))
        return "250 2.0.0 Kept"


def _line_of(recipients: list[str], content: bytes) -> str:
    """Return one printable line: to whom, about what, and the first link."""
    message = email.message_from_bytes(content, _class=EmailMessage, policy=policy.default)
    body = message.get_body(("plain",))
    text = body.get_payload(decode=True) if body else b""
    link = LINK.search(text.decode(errors="replace")) if isinstance(text, bytes) else None
    line = f"mail to {', '.join(recipients)}: {message['Subject']} {link[0] if link else ''}".rstrip()
    return printable(line)
