"""Hostile requests over real HTTP: nothing in them causes a server error or an answer that is not complete."""

from __future__ import annotations

import socket
from base64 import b64encode

import pytest

from soundlift.common.services import Services
from tests.api.function_server import FunctionServer, served
from tests.api.hostile.answers import check_answers
from tests.api.hostile.raw_requests import raw_requests
from tests.api.hostile.request import FUNCTIONS
from tests.factories.accounts import bearer

pytestmark = pytest.mark.servers

METHODS = {"jobs": b"GET", "download": b"GET", "web": b"GET"}
PASSWORD = "a password of the gateway"
GATEWAY_LOGIN = b"Authorization: Basic " + b64encode(f"admin:{PASSWORD}".encode()) + b"\r\n"


@pytest.mark.parametrize("name", [*FUNCTIONS, "web"])
def test_no_bytes_cause_a_server_error_or_an_answer_without_a_problem_document(services: Services, name: str) -> None:
    with served(name, services) as server:
        attack(server, METHODS.get(name, b"POST"), b"", field(bearer(services)))


def test_no_bytes_cause_a_server_error_of_the_local_gateway(services: Services) -> None:
    environment = {"BASIC_AUTH_USER": "admin", "BASIC_AUTH_PASSWORD": PASSWORD}
    with served("gateway", services, environment, application="soundlift.local.gateway:gateway()") as server:
        attack(server, b"GET", b"", field(bearer(services)))
        attack(server, b"GET", b"/system", GATEWAY_LOGIN)
        attack(server, b"POST", b"/function/notify", GATEWAY_LOGIN)


def attack(server: FunctionServer, method: bytes, prefix: bytes, sign_in: bytes) -> None:
    """Send each request together with a further one, which must get no answer if the connection is to be closed."""
    following = b"GET " + prefix + b"/_/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    for description, request in raw_requests(method, prefix, sign_in):
        with server.open() as connection:
            connection.sendall(request + following)
            connection.shutdown(socket.SHUT_WR)
            received = b"".join(iter(lambda: connection.recv(2**16), b""))
        try:
            statuses = check_answers(received)
        except Exception as error:
            raise AssertionError(f"{description}: {received[:500]!r}") from error
        assert statuses, description
    assert server.answers()


def field(headers: dict[str, str]) -> bytes:
    """Return an Authorization header as it is sent."""
    return f"Authorization: {headers['Authorization']}\r\n".encode()
