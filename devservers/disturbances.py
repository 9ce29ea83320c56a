"""What happens to a line while a client sends: it is cut, reset, or silent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from devservers.forwarder import Forwarder

STALL_SECONDS = 0.5
Disturb = Callable[[Forwarder], None]


def cut(line: Forwarder) -> None:
    """End all connections as a router does that is switched off and on."""
    line.drop_connections()


def reset(line: Forwarder) -> None:
    """End all connections by a TCP reset."""
    line.drop_connections(reset=True)


def stall(line: Forwarder) -> None:
    """Let nothing through for a while, and then end the connections."""
    line.hang()
    threading.Event().wait(STALL_SECONDS)
    line.drop_connections()
    line.restore()


@contextmanager
def disturbed(line: Forwarder, disturb: Disturb, after: Sequence[int]) -> Iterator[None]:
    """Disturb a line each time that clients have sent so many bytes more than at the start of the block."""
    ended = threading.Event()
    start = line.received_bytes

    def watch() -> None:
        for limit in after:
            while line.received_bytes < start + limit:
                if ended.wait(0.001):
                    return
            disturb(line)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
        assert not thread.is_alive(), "the upload ended before it was disturbed"
    finally:
        ended.set()
        thread.join()
