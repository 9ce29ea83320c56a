"""Ends a process whose supervisor is gone, however that went."""

from __future__ import annotations

import os
import signal
from threading import Thread


def hold(descriptor: int | None) -> None:
    """Watch the read end of a pipe, and send this process SIGTERM when the supervisor's end has closed.

    The kernel closes it when the supervisor dies, so a supervisor that is killed leaves nothing running.
    Without a descriptor there is no supervisor, and nothing to watch.
    """
    if descriptor is not None:
        Thread(target=_watch, args=(descriptor,), name="lifeline", daemon=True).start()


def _watch(descriptor: int) -> None:
    os.read(descriptor, 1)
    os.kill(os.getpid(), signal.SIGTERM)
