"""Clients at many addresses that send and read as little as they can: login and validate answer meanwhile.

All functions are in one process, as with `soundlift up`, and have fewer THREADS than there are clients of each kind.
`python -m bench greedy-all` does the same with hundreds of them, and measures.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from devservers.waiting import wait_for
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from soundlift.local.supervisor import gateway_threads
from tests.api.function_server import FunctionServer, has_response, read_response, served
from tests.api.test_hostile_head import field
from tests.factories.accounts import bearer
from tests.factories.jobs import MP4, queued_job, ready_job

pytestmark = pytest.mark.servers

THREADS = "4"
CLIENTS = 10  # of each kind, which is more than THREADS
MP3_BYTES = 8 * 2**20
GATEWAY = "soundlift.local.gateway:gateway()"


@pytest.fixture
def gateway(services: Services) -> Iterator[FunctionServer]:
    settings = {
        "THREADS": THREADS,
        "LONG_POLLS": "2",
        "BASIC_AUTH_USER": "admin",
        "BASIC_AUTH_PASSWORD": "a password of the gateway",
    }
    threads = gateway_threads(Settings.from_environment(settings))
    environment = {**settings, "CONNECTIONS_PER_ADDRESS": "2", "GUNICORN_CMD_ARGS": f"--threads {threads}"}
    with served("gateway", services, environment, application=GATEWAY) as server:
        yield server


def attacks(services: Services) -> dict[str, bytes]:
    """Return the beginning of a request for each kind of client."""
    sign_in = field(bearer(services))
    file = ready_job(services, bytes(MP3_BYTES)).mp3_fid
    job = queued_job(services).id
    return {
        "a header": b"POST /login HTTP/1.1\r\nHost: a\r\nX-Slow: ",
        "a body": b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{",
        "a chunked body": b"POST /validate HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n{",
        "an upload": b"POST /upload HTTP/1.1\r\nHost: a\r\n" + sign_in + b"Content-Length: 900000000\r\n\r\n" + MP4,
        "a download that is not read": f"GET /download?fid={file} HTTP/1.1\r\nHost: a\r\n".encode() + sign_in + b"\r\n",
        "a wait": f"GET /jobs/{job}?wait=60 HTTP/1.1\r\nHost: a\r\n".encode() + sign_in + b"\r\n",
    }


def test_greedy_clients_do_not_delay_login_and_validate(gateway: FunctionServer, services: Services) -> None:
    with ExitStack() as stack:
        connections: dict[str, list[socket.socket]] = {}
        for kind, (what, beginning) in enumerate(attacks(services).items()):
            connections[what] = [
                stack.enter_context(gateway.open(f"127.0.{1 + kind}.{1 + number}")) for number in range(CLIENTS)
            ]
            for connection in connections[what]:
                connection.sendall(beginning)
        wait_for(lambda: count(connections["an upload"]) == CLIENTS - int(THREADS), "the uploads occupy their threads")
        wait_for(lambda: count(connections["a download that is not read"]) == CLIENTS, "the downloads have begun")
        for request, status in (("POST /login", 401), ("GET /validate", 200), ("GET /jobs", 200)):
            with gateway.connect(request, bearer(services) if status == 200 else {}) as prompt:
                assert read_response(prompt)[0] == status, request
        for what in ("a header", "a body", "a chunked body"):
            assert count(connections[what]) == 0, f"{what} must still be pending"


def test_one_address_gets_only_its_own_share(gateway: FunctionServer, services: Services) -> None:
    beginning = attacks(services)["an upload"]
    with ExitStack() as stack:
        greedy = [stack.enter_context(gateway.open("127.0.0.9")) for _ in range(CLIENTS)]
        for connection in greedy:
            connection.sendall(beginning)
        wait_for(lambda: count(greedy) == CLIENTS - 2, "further connections are rejected")
        other = stack.enter_context(gateway.open("127.0.0.10"))
        other.sendall(beginning.replace(b"900000000", b"%d" % len(MP4)))
        assert read_response(other)[0] == 202
        assert count(greedy) == CLIENTS - 2, "the greedy uploads must still be pending"


def count(connections: list[socket.socket]) -> int:
    """Return how many of the connections have a response."""
    return sum(map(has_response, connections))
