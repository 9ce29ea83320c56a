"""What a forwarder's toxics do to a connection."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from devservers.forwarder import Forwarder
from devservers.toxics import Answer, Bandwidth, Latency, LimitData, ResetPeer, Slicer, SlowClose, Timeout
from devservers.waiting import DEADLINE_SECONDS

PAUSE = 0.2


@pytest.fixture
def echo() -> Iterator[int]:
    """Return the port of a server that sends back what it receives."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_echo, args=(client,), daemon=True).start()


def _echo(client: socket.socket) -> None:
    with client:
        try:
            while data := client.recv(1 << 16):
                client.sendall(data)
        except OSError:
            return


@pytest.fixture
def forwarder(echo: int) -> Iterator[Forwarder]:
    with Forwarder(echo) as forwarder:
        yield forwarder


@pytest.fixture
def client(forwarder: Forwarder) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", forwarder.port), timeout=DEADLINE_SECONDS) as client:
        yield client


def exchange(client: socket.socket, data: bytes) -> bytes:
    """Send data, and return what comes back: as much, or what arrives before the connection is closed."""
    client.sendall(data)
    received = b""
    while len(received) < len(data) and (part := client.recv(1 << 16)):
        received += part
    return received


def test_without_a_toxic_all_data_passes_unchanged(client: socket.socket) -> None:
    data = bytes(range(256)) * 4000
    assert exchange(client, data[: 1 << 16]) == data[: 1 << 16]


def test_latency_delays_an_answer_until_it_is_removed(client: socket.socket, forwarder: Forwarder) -> None:
    toxic = Latency(PAUSE)
    began = time.monotonic()
    with forwarder.disturbed(toxic, "downstream"):
        assert exchange(client, b"hello") == b"hello"
    assert time.monotonic() - began >= PAUSE
    forwarder.add(Latency(1000), "downstream")
    client.sendall(b"hello")
    forwarder.restore()
    assert client.recv(5) == b"hello"


def test_bandwidth_limits_the_rate(client: socket.socket, forwarder: Forwarder) -> None:
    began = time.monotonic()
    with forwarder.disturbed(Bandwidth(10_000), "upstream"):
        assert exchange(client, bytes(2_000)) == bytes(2_000)
    assert time.monotonic() - began >= PAUSE


def test_a_slow_close_arrives_later_than_the_last_data(client: socket.socket, forwarder: Forwarder) -> None:
    with forwarder.disturbed(SlowClose(PAUSE), "upstream"):
        assert exchange(client, b"hello") == b"hello"
        began = time.monotonic()
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    assert time.monotonic() - began >= PAUSE


def test_a_timeout_stops_all_data_and_then_closes_the_connection(client: socket.socket, forwarder: Forwarder) -> None:
    forwarder.add(Timeout(PAUSE), "downstream")
    assert exchange(client, b"hello") == b""


def test_reset_peer_ends_the_connection_by_a_reset(client: socket.socket, forwarder: Forwarder) -> None:
    forwarder.add(ResetPeer(), "upstream")
    with pytest.raises(ConnectionResetError):
        exchange(client, b"hello")


def test_a_slicer_sends_the_same_data_in_small_parts(client: socket.socket, forwarder: Forwarder) -> None:
    data = bytes(range(256))
    with forwarder.disturbed(Slicer(50, 40, 0.001), "upstream"):
        assert exchange(client, data) == data


def test_limit_data_closes_the_connection_after_a_number_of_bytes(client: socket.socket, forwarder: Forwarder) -> None:
    forwarder.add(LimitData(3), "downstream")
    assert exchange(client, b"hello") == b"hel"


def test_only_answers_to_the_marked_requests_are_lost(client: socket.socket, forwarder: Forwarder) -> None:
    with forwarder.losing_answers(b"COMMIT") as lost:
        assert exchange(client, b"SELECT") == b"SELECT"
        assert exchange(client, b"COMMIT") == b""
    assert lost.dropped == 1


def test_a_fixed_answer_takes_the_place_of_the_servers(client: socket.socket, forwarder: Forwarder) -> None:
    with forwarder.disturbed(Answer(b"HTTP/1.1 503 \r\n\r\n"), "upstream"):
        assert exchange(client, bytes(100)) == b"HTTP/1.1 503 \r\n\r\n"
