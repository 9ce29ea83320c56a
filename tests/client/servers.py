"""Servers for the client: the real functions below one address, or answers that a test defines."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from threading import Thread
from typing import TYPE_CHECKING, Any

from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Request
from werkzeug.wsgi import ClosingIterator

from devservers.waiting import DEADLINE_SECONDS
from soundlift.common.services import Services
from soundlift.common.web.application import Function

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

FUNCTIONS = ("login", "validate", "upload", "jobs", "hooks", "download")


class Deployment:
    """The functions behind one address, as a gateway mounts them; `requests` holds those received.

    For each number in `cuts`, the connection of one request is closed after as many bytes of the response; for 0, the
    response does not begin, although the function has done its work.
    """

    def __init__(self, services: Services, port: int = 0) -> None:
        self.requests: list[Request] = []
        self.cuts: list[int | None] = []
        self._functions = DispatcherMiddleware(_nothing, {f"/{name}": _function(name, services) for name in FUNCTIONS})
        self._server: BaseWSGIServer = make_server(
            "127.0.0.1", port, self._answer, threaded=True, request_handler=_Quiet
        )
        self.port = self._server.port
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def lines(self) -> list[str]:
        """Return the method and the path of each request."""
        return [f"{request.method} {request.path}" for request in self.requests]

    @contextmanager
    def running(self) -> Iterator[Deployment]:
        with _in_thread(self._server):
            yield self

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self.requests.append(Request(environ.copy()))
        cut = self.cuts.pop(0) if self.cuts else None
        if cut == 0:
            run_wsgi_app(self._functions, environ, buffered=True)
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionAbortedError
        blocks = self._functions(environ, start_response)
        return blocks if cut is None else _beginning(blocks, cut)


def _beginning(blocks: Iterable[bytes], length: int) -> Iterator[bytes]:
    """Yield the first bytes of a body, and then end the connection."""
    with closing(ClosingIterator(blocks)) as body:
        for block in body:
            yield block[:length]
            length -= len(block)
            if length <= 0:
                raise ConnectionAbortedError


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        return


def _nothing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("404 Not Found", [])
    return []


def _function(name: str, services: Services) -> WSGIApplication:
    app: Function = import_module(f"functions.{name}.handler").app
    app.services = services

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["PATH_INFO"] = environ["PATH_INFO"] or "/"  # as with a gateway, /NAME is the root of the function
        return app(environ, start_response)

    return application


@dataclass(frozen=True)
class Reply:
    """An answer defined by a test; the connection is closed after its body, regardless of its headers."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class WrittenAnswers(HTTPServer):
    """HTTP server that gives the defined answers in order, and then repeats the last one."""

    def __init__(self, replies: Sequence[Reply] = (Reply(200),)) -> None:
        super().__init__(("127.0.0.1", 0), _Write)
        self.replies = replies
        self.by_request: dict[str, Reply] = {}  # answers to some requests, such as GET /a, however often
        self.requests: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        self.bodies: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @contextmanager
    def running(self) -> Iterator[WrittenAnswers]:
        with _in_thread(self):
            yield self


class _Write(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # chunks need HTTP/1.1
    server: WrittenAnswers
    timeout = DEADLINE_SECONDS  # in case a client sends less than it announced

    def _answer(self) -> None:
        self.server.requests.append(f"{self.command} {self.path}")
        self.server.headers.append(dict(self.headers.items()))
        self.server.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
        reply = self.server.by_request.get(self.server.requests[-1])
        if reply is None:
            reply = self.server.replies[0]
            self.server.replies = self.server.replies[1:] or self.server.replies
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(reply.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - the standard library's names

    def log_message(self, format: str, *args: object) -> None:
        return


@contextmanager
def _in_thread(server: HTTPServer) -> Iterator[None]:
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
