"""Faults of the connections to each server, to the gateway, and from the connector to the functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from devservers.forwarder import Direction
from devservers.toxics import Answer, Bandwidth, Latency, LimitData, ResetPeer, Slicer, SlowClose, Timeout, Toxic
from tests.chaos.schedule import Fault
from tests.chaos.system.servers import DATABASE, STORE
from tests.chaos.system.system import FUNCTIONS, GATEWAY, System

# Requests whose answers get lost: the work has been done, and the client does not know.
REQUESTS = {
    GATEWAY: b" /upload",  # POST, PATCH, HEAD and DELETE
    FUNCTIONS: b"POST /function/",
    DATABASE: b"\x03COMMIT",  # a query of MySQL's protocol
    STORE: b"HTTP/1.1",  # S3; GridFS speaks no HTTP
}
UNAVAILABLE = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
# By the part of a second that `choice` leaves open.
TOXICS: dict[str, Callable[[float], Toxic]] = {
    "latency": lambda choice: Latency(0.05 + choice / 2, 0.05),
    "bandwidth": lambda choice: Bandwidth(20_000 + choice * 200_000),
    "slow_close": lambda choice: SlowClose(1 + choice * 3),
    "timeout": lambda choice: Timeout(1 + choice * 3),
    "reset_peer": lambda choice: ResetPeer(choice / 2),
    "slicer": lambda choice: Slicer(200, 150, choice / 1000),
    "limit_data": lambda choice: LimitData(int(choice * 100_000), reset=choice > 0.5),
}


@contextmanager
def disturb(system: System, fault: Fault) -> Iterator[None]:
    """Add the toxic that a fault is named after, in one direction."""
    toxic = TOXICS[fault.name](fault.choice)
    direction: Direction = "upstream" if fault.number % 2 else "downstream"
    with system.proxies[fault.target].disturbed(toxic, direction):
        yield


@contextmanager
def cut(system: System, fault: Fault) -> Iterator[None]:
    """Refuse new connections, and break the open ones."""
    proxy = system.proxies[fault.target]
    proxy.cut()
    try:
        yield
    finally:
        proxy.restore()


@contextmanager
def lose_answers(system: System, fault: Fault) -> Iterator[None]:
    """Let requests arrive, and close the connection instead of passing the answer on."""
    with system.proxies[fault.target].losing_answers(REQUESTS[fault.target]):
        yield


@contextmanager
def refuse_with_503(system: System, fault: Fault) -> Iterator[None]:
    """Answer every request with a 503 in place of the server."""
    with system.proxies[fault.target].disturbed(Answer(UNAVAILABLE), "upstream"):
        yield


@contextmanager
def remove_names(system: System, fault: Fault) -> Iterator[None]:
    """Let no name of a server resolve, and break the open connections, which would hide that."""
    system.servers.hosts.remove()
    try:
        for proxy in system.servers.proxies.values():
            proxy.drop_connections()
        yield
    finally:
        system.servers.hosts.restore()
