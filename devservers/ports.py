"""Free loopback ports for servers."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack, suppress

# Below the range of `free_port`, because nginx passes requests to whatever listens on a future replica's port.
PORT_BLOCKS = range(6_000, 10_000, 50)


def free_port() -> int:
    """Return a port without a listener that no outgoing connection is assigned.

    Outgoing connections use ephemeral ports, from 32768 up. A client that retries an ephemeral port until its server
    is up may even connect to itself.
    """
    while True:
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", random.randrange(10_000, 32_000)))
            return int(listener.getsockname()[1])


def reserve_ports(count: int) -> tuple[socket.socket, list[int]]:
    """Return a block of free ports and a socket on the preceding port, which reserves the block while open."""
    for first in PORT_BLOCKS:
        with ExitStack() as bound:
            try:
                reservation = bound.enter_context(socket.socket())
                reservation.bind(("127.0.0.1", first))
                ports = list(range(first + 1, first + 1 + count))
                for port in ports:
                    bound.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return reservation.dup(), ports
    raise AssertionError("no block of ports is free")
