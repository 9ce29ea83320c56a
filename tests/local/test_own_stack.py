"""The gateway serves a stack.yml of the tests, whose functions show what passes through it, and when."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from devservers.local_stack import Stack, Start
from devservers.waiting import DEADLINE_SECONDS, wait_for
from soundlift.common.web.request_buffer import SMALL_BODY_BYTES

pytestmark = pytest.mark.servers

STACK = """
version: 1.0
provider:
  name: openfaas
functions:
  parrot:
    handler: ./birds/parrot
    image: ${PREFIX:-birds}/parrot:${TAG:-1}
  cuckoo:
    handler: ./birds/cuckoo
    image: birds/cuckoo
    annotations:
      topic: cron-function
      schedule: "* * * * * *"
"""
PARROT = """
def app(environ, start_response):
    start_response("200 OK", [])
    return iter(lambda: environ["wsgi.input"].read(1024), b"")
"""
CUCKOO = """
def app(environ, start_response):
    start_response("204 No Content" if environ["REQUEST_METHOD"] == "POST" else "405 Method Not Allowed", [])
    return []
"""


@pytest.fixture(scope="module")
def stack(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    folder = tmp_path_factory.mktemp("own")
    for name, source in (("parrot", PARROT), ("cuckoo", CUCKOO)):
        handler = folder / "birds" / name / "handler.py"
        handler.parent.mkdir(parents=True)
        handler.write_text(source)
    (folder / "stack.yml").write_text(STACK)
    return start(STACK_FILE=str(folder / "stack.yml"), TAG="2")


def function(stack: Stack, name: str) -> dict[str, Any]:
    return next(one for one in stack.get("/system/functions", login=stack.login).json() if one["name"] == name)


def test_bodies_are_streamed_both_ways(stack: Stack) -> None:
    host, port = stack.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=DEADLINE_SECONDS) as connection:
        connection.sendall(b"POST /function/parrot HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        received = b""
        # A smaller body would be received as a whole before the function is called.
        for byte, size in ((b"\x01", 2 * SMALL_BODY_BYTES), (b"\x02", 1024)):
            connection.sendall(b"%x\r\n%s\r\n" % (size, byte * size))
            while received.count(byte) < size:
                received += connection.recv(4096)
        connection.sendall(b"0\r\n\r\n")


def test_variables_are_substituted_as_by_faas_cli(stack: Stack) -> None:
    assert function(stack, "parrot")["image"] == "birds/parrot:2"


def test_cron_calls_a_function_on_its_schedule(stack: Stack) -> None:
    wait_for(lambda: function(stack, "cuckoo")["invocationCount"] >= 2, "cron has called twice")
    assert "cuckoo" not in stack.output


def test_logs_go_to_files_and_not_to_the_terminal(stack: Stack) -> None:
    wait_for(lambda: "request" in (stack.data / "logs" / "gateway.log").read_text(), "the log contains the requests")
    assert "request" not in stack.output
