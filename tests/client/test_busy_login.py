"""The client signs in again, after the time that the server names, where a login was too busy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from soundlift.client import ApiError, Client

Reply = tuple[int, dict[str, object]]

BUSY: Reply = (429, {"code": "busy", "title": "Too Many Requests", "detail": "Try again.", "status": 429})
SIGNED_IN: Reply = (200, {"access_token": "a token"})


class Login(HTTPServer):
    """HTTP server that gives one answer after another, and then the last one again."""

    answers: tuple[Reply, ...] = (BUSY, SIGNED_IN)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Login

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, document = self.server.answers[0]
        self.server.answers = self.server.answers[1:] or self.server.answers
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def login() -> Iterator[Login]:
    with Login(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_busy_login_is_tried_again(login: Login) -> None:
    assert Client(login.url, email="you@example.org", password="a password").login() == "a token"


def test_a_login_that_stays_busy_is_an_error(login: Login) -> None:
    login.answers = (BUSY,)
    with pytest.raises(ApiError) as refusal:
        Client(login.url, email="you@example.org", password="a password").login()
    assert (refusal.value.status, refusal.value.code) == (429, "busy")
