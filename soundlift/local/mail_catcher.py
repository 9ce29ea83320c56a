"""An SMTP server on the loopback interface that stores all mail in a Maildir and forwards none."""

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

from soundlift.common.printable import escaped
from soundlift.local.terminal import print_message

LINK = re.compile(r"https?://\S+")
START_TIMEOUT = 10


class MailCatcher(Thread):
    """A thread that runs the server on a free port."""

    def __init__(self, folder: Path) -> None:
        super().__init__(name="mail-catcher", daemon=True)
        self.port = 0
        self._maildir = Maildir(folder, create=True)
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._listening = Event()

    @property
    def url(self) -> str:
        """Return the SMTP_URL for functions whose mail the server should catch."""
        return f"smtp://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server, and return when it is listening."""
        super().start()
        if not self._listening.wait(START_TIMEOUT):
            raise TimeoutError("The mail catcher did not start.")

    def stop(self) -> None:
        """Stop the server, and return when it has stopped."""
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
        """Store a mail; reply 250 only once it is on disk, since the sender then discards its copy."""
        assert isinstance(envelope.original_content, bytes)
        try:
            self._maildir.add(envelope.original_content)
        except OSError as error:
            print_message(f"A mail could not be stored: {error.strerror}.")
            return "451 4.3.0 The mail cannot be stored; try again later"
        print_message(_summary(envelope.rcpt_tos, envelope.original_content))
        return "250 2.0.0 Stored"


def _summary(recipients: list[str], content: bytes) -> str:
    """Return one printable line with the recipients, the subject and the first link."""
    message = email.message_from_bytes(content, _class=EmailMessage, policy=policy.default)
    body = message.get_body(("plain",))
    text = body.get_payload(decode=True) if body else b""
    link = LINK.search(text.decode(errors="replace")) if isinstance(text, bytes) else None
    line = f"mail to {', '.join(recipients)}: {message['Subject']} {link[0] if link else ''}".rstrip()
    return escaped(line)
