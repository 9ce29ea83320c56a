"""The addresses of a host."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Thread

from soundlift.common.outbound.errors import ConnectionFailed, ResponseTimeout
from soundlift.common.outbound.limits import Deadline

Resolver = Callable[[str], Sequence[str]]
MAX_ADDRESSES = 8


def system_resolver(host: str) -> Sequence[str]:
    """Return the addresses of a host in the order of preference (RFC 6724); raises OSError."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


def resolve(resolver: Resolver, host: str, deadline: Deadline) -> Sequence[str]:
    """Return at most MAX_ADDRESSES addresses of a host, each once; raises ConnectionFailed or ResponseTimeout.

    The system's resolver has no timeout of its own that we could set, so it runs in a thread that may be left behind
    until it ends by itself.
    """
    answers: SimpleQueue[Sequence[str] | Exception] = SimpleQueue()

    def ask() -> None:
        try:
            answers.put(resolver(host))
        except Exception as error:  # UnicodeError for some names, besides OSError
            answers.put(error)

    Thread(target=ask, name="resolver", daemon=True).start()
    try:
        answer = answers.get(timeout=deadline.remaining())
    except Empty:
        raise ResponseTimeout(f"The name {host} could not be resolved in time.") from None
    if isinstance(answer, Exception) or not answer:
        raise ConnectionFailed(f"The name {host} could not be resolved.") from None
    return list(dict.fromkeys(answer))[:MAX_ADDRESSES]
