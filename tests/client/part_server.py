"""A server that receives uploads in parts, and answers each request as a test defines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from devservers.waiting import DEADLINE_SECONDS

JOB = b'{"job_id": "1", "state": "queued", "error": null, "created_at": "2020-01-01T00:00:00Z"}'
CLAIMS = b'{"claims": {"username": "ada@example.org"}}'
OFFER = {"Tus-Version": "1.0.0"}


@dataclass
class Refusal:
    """A status in place of success, after `kept` bytes of the body have been stored."""

    status: int
    kept: int = 0
    body: bytes = b"{}"


@dataclass
class Behaviour:
    """How the server answers: what OPTIONS and POST say, and what the next parts get; None is success."""

    offer: dict[str, str] = field(default_factory=lambda: dict(OFFER))
    begin: int = 201
    refusals: list[Refusal | None] = field(default_factory=list)
    always: Refusal | None = None
    largest_part: int | None = None
    tokens: set[str] | None = None


class PartServer(ThreadingHTTPServer):
    """A server of one file at a time, in memory."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receive)
        self.behaviour = Behaviour()
        self.requests: list[str] = []
        self.parts: list[int] = []
        self.length = 0
        self.uploads = 0
        self.received: bytearray | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @contextmanager
    def running(self) -> Iterator[PartServer]:
        thread = Thread(target=self.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            self.server_close()
            thread.join()


class _Receive(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: PartServer
    timeout = DEADLINE_SECONDS

    def _answer(self) -> None:
        self.server.requests.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        tokens = self.server.behaviour.tokens
        if tokens is not None and self.headers.get("Authorization", "").removeprefix("Bearer ") not in tokens:
            return self._send(401, b'{"code": "invalid_token", "detail": "It has expired."}')
        match self.command, self.path:
            case "GET", "/validate":
                self._send(200, CLAIMS)
            case "OPTIONS", _:
                self._send(204, headers=self.server.behaviour.offer)
            case "POST", "/upload/files":
                self._begin()
            case "POST", _:
                self._send(202, JOB)
            case "GET", _:
                is_complete = self.server.received is not None and len(self.server.received) == self.server.length
                self._send(200 if is_complete else 404, JOB if is_complete else b"{}")
            case _, path if self.server.received is None or path != self._path:
                self._send(404)
            case "HEAD", _:
                self._send(200, headers=self._state)
            case _:
                self._append(body)
        return None

    def _begin(self) -> None:
        if self.server.behaviour.begin != 201:
            return self._send(self.server.behaviour.begin)
        self.server.length = int(self.headers["Upload-Length"])
        self.server.uploads += 1
        self.server.received = bytearray()
        return self._send(201, headers={"Location": f"http://behind-a-proxy.example{self._path}"})

    def _append(self, body: bytes) -> None:
        behaviour, received = self.server.behaviour, self.server.received
        assert received is not None
        self.server.parts.append(len(body))
        refusal = behaviour.refusals.pop(0) if behaviour.refusals else behaviour.always
        if behaviour.largest_part is not None and len(body) > behaviour.largest_part:
            return self._send(413, b"<html>too large</html>")
        if refusal is None:
            received += body
            return self._send(204, headers=self._state)
        received += body[: refusal.kept]
        if refusal.status == 404:
            self.server.received = None
        return self._send(refusal.status, refusal.body)

    @property
    def _path(self) -> str:
        return f"/upload/files/{self.server.uploads}"

    @property
    def _state(self) -> dict[str, str]:
        received = self.server.received or b""
        job = {"Soundlift-Job": "1"} if len(received) == self.server.length else {}
        return {"Upload-Offset": str(len(received)), **job}

    def _send(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Tus-Resumable": "1.0.0", **(headers or {})}.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PATCH = do_OPTIONS = _answer  # noqa: N815 - the standard library's names

    def log_message(self, format: str, *args: object) -> None:
        return
