"""Measures how long a request takes while many clients have stalled in the middle of their requests."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from urllib.parse import urlsplit

import urllib3

from bench.harness.comparison import Goal, Result, Row, Sample, compare
from bench.harness.deployment import temporary_deployment
from bench.harness.processes import Gunicorn, served

SLOW_CLIENTS = 60
TIMEOUT_SECONDS = 60
HALF_A_HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nX-Slow: "
HALF_A_BODY = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n{"
REFUSED_UPLOAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n" + bytes(1000)


def slow_clients(row: Row, function: str, sent: bytes) -> Result:
    """Compare the response time with and without stalled clients."""
    with (
        temporary_deployment(LOG_LEVEL="error") as deployment,
        served(f"functions.{function}.handler:app", deployment.environment) as server,
    ):

        def with_slow_clients() -> Sample:
            with _connected(server, sent):
                return _time_answer(server)

        return compare(row, with_slow_clients, partial(_time_answer, server))


@contextmanager
def _connected(server: Gunicorn, sent: bytes) -> Iterator[None]:
    address = urlsplit(server.url)
    with ExitStack() as stack:
        for _ in range(SLOW_CLIENTS):
            client = stack.enter_context(socket.create_connection((address.hostname, address.port)))
            client.sendall(sent)
        yield


def _time_answer(server: Gunicorn) -> Sample:
    began = time.perf_counter()
    urllib3.request("POST", server.url, headers={"Connection": "close"}, retries=False, timeout=TIMEOUT_SECONDS)
    return Sample((time.perf_counter() - began) * 1000)


GOAL = Goal(100, of="ours")
ROWS: dict[Row, Callable[[Row], Result]] = {
    Row("slow-heads", "ms", GOAL): partial(slow_clients, function="login", sent=HALF_A_HEAD),
    Row("slow-bodies", "ms", GOAL): partial(slow_clients, function="login", sent=HALF_A_BODY),
    Row("slow-refused-uploads", "ms", GOAL): partial(slow_clients, function="upload", sent=REFUSED_UPLOAD),
}
