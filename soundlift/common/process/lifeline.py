"""A pipe through which a process notices that its supervisor has ended, for whatever reason."""

from __future__ import annotations

import os
import signal
from threading import Thread


def watch(descriptor: int | None) -> None:
    """Watch the read end of a pipe, and send this process SIGTERM when the supervisor's end is closed.

    The kernel also closes it when the supervisor is killed. Without a descriptor there is no supervisor to watch.
    """
    if descriptor is not None:
        Thread(target=_watch, args=(descriptor,), name="lifeline", daemon=True).start()


def _watch(descriptor: int) -> None:
    os.read(descriptor, 1)
    os.kill(os.getpid(), signal.SIGTERM)
