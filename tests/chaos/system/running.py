"""What a run asks of any deployment, whatever it consists of."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol

from soundlift.client import Client
from soundlift.common.services import Services
from tests.chaos.history import History


class RunningSystem(Protocol):
    """A running deployment. Users reach it at `url`; faults disturb neither `media_url` nor `admin`."""

    services: Services
    history: History
    temporary: Path
    stopping: threading.Event

    @property
    def url(self) -> str: ...

    @property
    def media_url(self) -> str: ...

    def admin(self) -> Client:
        """Return a client of an admin that no fault disturbs."""
        ...

    def is_up(self) -> bool:
        """Return whether every process is ready, with everything that it needs."""
        ...

    def cleanup(self) -> Mapping[str, int]:
        """Call cleanup, as cron does every minute, and return its counts."""
        ...

    def end_delays(self) -> int:
        """Deliver the messages now that were put off, and return their number."""
        ...

    def waiting(self) -> Mapping[str, int]:
        """Return the number of messages by queue, without dead letters."""
        ...

    def messages(self) -> Sequence[EmailMessage]:
        """Return the mails that have been received, in their order."""
        ...

    def restart_ended(self) -> None:
        """Start processes again that have ended by themselves, as a platform does."""
        ...
