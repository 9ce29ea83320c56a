"""The connector's liveness, readiness and metrics over HTTP."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from prometheus_client.exposition import choose_encoder
from werkzeug import Request, Response
from werkzeug.serving import WSGIRequestHandler, make_server

from soundlift.common.broker import Publisher
from soundlift.common.errors import PROBLEM, BrokerUnavailable, SettingError, problem_code
from soundlift.common.process.shutdown import Shutdown
from soundlift.connector.loop import DeliveryLoop
from soundlift.connector.metrics import Metrics
from soundlift.connector.subscriptions import Subscriptions

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

REQUEST_SECONDS = 10.0  # between two bytes of a request
PATHS = ("/healthz", "/readyz", "/metrics")
METHODS = ("GET", "HEAD")
HUNG_SECONDS = 60.0  # an iteration of the loop may wait for a broker, but never that long


@dataclass(frozen=True)
class Health:
    """The WSGI application with /healthz, /readyz and /metrics.

    A connector that cannot reach its broker or gateway is alive but not ready: a restart would not help.
    """

    loop: DeliveryLoop
    subscriptions: Subscriptions
    broker: Publisher
    shutdown: Shutdown
    metrics: Metrics
    hung_seconds: float = HUNG_SECONDS

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Respond with 200, or with a problem document: its detail is the reason of a 503."""
        return self._page(Request(environ))(environ, start_response)

    def _page(self, request: Request) -> WSGIApplication:
        if request.path in PATHS and request.method not in METHODS:
            return _methods(request.method)
        match request.path:
            case "/healthz":
                return _response(self._why_dead())
            case "/readyz":
                return _response(self._why_not_ready())
            case "/metrics":
                encode, content_type = choose_encoder(request.headers.get("Accept", ""))
                return Response(encode(self.metrics.registry), content_type=content_type)
            case _:
                return _problem(HTTPStatus.NOT_FOUND, f"There are only {', '.join(PATHS)}.")

    def _why_dead(self) -> str:
        seconds = self.loop.seconds_in_iteration
        return f"The delivery loop has hung for {seconds:.0f} seconds." if seconds > self.hung_seconds else ""

    def _why_not_ready(self) -> str:
        if self.shutdown.is_overdue(0):
            return "The connector is stopping."
        if not self.subscriptions.known:
            return "The gateway has not listed its functions yet."
        try:
            self.broker.check()
        except BrokerUnavailable as error:
            return error.detail
        return ""


def _response(reason: str) -> Response:
    return _problem(HTTPStatus.SERVICE_UNAVAILABLE, reason) if reason else Response("OK\n")


def _problem(status: HTTPStatus, detail: str) -> Response:
    return Response(_document(status, detail), status, content_type=PROBLEM)


def _document(status: HTTPStatus, detail: str) -> str:
    code = problem_code(status.phrase)
    return json.dumps({"title": status.phrase, "status": status.value, "detail": detail, "code": code})


def _methods(method: str) -> Response:
    """Return the response to a method other than METHODS: OPTIONS asks for them, the others are not allowed."""
    allowed = ", ".join((*METHODS, "OPTIONS"))
    if method == "OPTIONS":
        response = Response(status=HTTPStatus.NO_CONTENT)
    else:
        response = _problem(HTTPStatus.METHOD_NOT_ALLOWED, f"Only {allowed} are allowed.")
    response.headers["Allow"] = allowed
    return response


class _Handler(WSGIRequestHandler):
    timeout = REQUEST_SECONDS
    default_request_version = "HTTP/1.0"  # a response to HTTP/0.9 would have no status
    error_content_type = PROBLEM
    error_message_format = "%(explain)s"

    def parse_request(self) -> bool:
        """Parse a request as the base class does, and reject targets for which Werkzeug would raise ValueError."""
        if not super().parse_request():
            return False
        with suppress(ValueError):
            _ = urlsplit(self.path).port
            return True
        self.send_error(HTTPStatus.BAD_REQUEST)
        return False

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Send a problem document for a request that is not HTTP/1.1: a client error, whatever the base class says."""
        status = HTTPStatus(code) if code < HTTPStatus.INTERNAL_SERVER_ERROR else HTTPStatus.BAD_REQUEST
        super().send_error(status, status.phrase, _document(status, "The request cannot be read."))

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing; the base class raises ValueError for some targets."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - Werkzeug's name for it
        """Log nothing: probes come every few seconds."""


def serve(app: WSGIApplication, host: str, port: int) -> None:
    """Serve an application in threads until the process ends; raises SettingError if the port cannot be bound."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        detail = f"port {port} cannot be bound: {error}."
        raise SettingError(f"Setting CONNECTOR_PORT: {detail}", setting="CONNECTOR_PORT") from None
    server = make_server(host, port, app, threaded=True, request_handler=_Handler, fd=listener.detach())
    Thread(target=server.serve_forever, name="health", daemon=True).start()
