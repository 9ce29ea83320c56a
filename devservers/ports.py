"""Free loopback ports for servers."""

from __future__ import annotations

import random
import socket
from contextlib import suppress


def free_port() -> int:
    """Return a port without a listener that no outgoing connection is assigned.

    Outgoing connections use ephemeral ports, from 32768 up. A client that retries an ephemeral port until its server
    is up may even connect to itself.
    """
    while True:
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", random.randrange(10_000, 32_000)))
            return int(listener.getsockname()[1])
