"""Serves the functions over HTTP below one address, as a gateway does, or answers what a test has written down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from threading import Thread
from typing import TYPE_CHECKING, Any

from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Request

from devservers.waiting import DEADLINE_SECONDS
from soundlift.common.services import Services

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

FUNCTIONS = ("login", "validate", "upload", "jobs", "download")


class Deployment:
    """The functions behind one address; `asked` holds the requests that came."""

    def __init__(self, services: Services) -> None:
        self.asked: list[Request] = []
        self._functions = DispatcherMiddleware(_nothing, {f"/{name}": _function(name, services) for name in FUNCTIONS})
        self._server: BaseWSGIServer = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_Quiet)
        self.url = f"http://127.0.0.1:{self._server.port}"

    @property
    def lines(self) -> list[str]:
        """Return the method and the path of each request."""
        return [f"{request.method} {request.path}" for request in self.asked]

    @contextmanager
    def running(self) -> Iterator[Deployment]:
        with _in_thread(self._server):
            yield self

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self.asked.append(Request(environ.copy()))
        return self._functions(environ, start_response)


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        return


def _nothing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("404 Not Found", [])
    return []


def _function(name: str, services: Services) -> WSGIApplication:
    app = import_module(f"functions.{name}.handler").app
    app.services = services
    application: WSGIApplication = app
    return application


@dataclass(frozen=True)
class Reply:
    """An answer that a test has written down; it ends with the connection, whatever its headers say."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class WrittenAnswers(HTTPServer):
    """HTTP server that gives one answer after another, and then the last one again."""

    def __init__(self, replies: Sequence[Reply] = (Reply(200),)) -> None:
        super().__init__(("127.0.0.1", 0), _Write)
        self.replies = replies
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @contextmanager
    def running(self) -> Iterator[WrittenAnswers]:
        with _in_thread(self):
            yield self


class _Write(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # an older one has no chunks
    server: WrittenAnswers
    timeout = DEADLINE_SECONDS  # for a client that sends less than it announced

    def _answer(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        reply = self.server.replies[0]
        self.server.replies = self.server.replies[1:] or self.server.replies
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(reply.body)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the standard library's names

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
