"""Finds ports of the loopback for servers."""

from __future__ import annotations

import random
import socket
from contextlib import suppress


def free_port() -> int:
    """Return a port that nobody listens on and that no outgoing connection is given.

    Outgoing connections use the ephemeral ports, from 32768 on; a client that retries one of them until its server is
    up may even connect to itself.
    """
    while True:
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", random.randrange(10_000, 32_000)))
            return int(listener.getsockname()[1])
