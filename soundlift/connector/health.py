"""The connector's liveness, readiness and metrics over HTTP."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from threading import Thread
from typing import TYPE_CHECKING, Any

from prometheus_client.exposition import choose_encoder
from werkzeug import Request, Response
from werkzeug.serving import WSGIRequestHandler, make_server

from soundlift.common.broker import Publisher
from soundlift.common.errors import BrokerUnavailable, SettingError
from soundlift.common.process.shutdown import Shutdown
from soundlift.connector.loop import DeliveryLoop
from soundlift.connector.metrics import Metrics
from soundlift.connector.subscriptions import Subscriptions

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

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
        """Respond with 200, or with 503 and the reason in one sentence."""
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
                return Response(" ".join(PATHS) + "\n", HTTPStatus.NOT_FOUND)

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
    return Response(f"{reason or 'OK'}\n", HTTPStatus.SERVICE_UNAVAILABLE if reason else HTTPStatus.OK)


def _methods(method: str) -> Response:
    """Return the response to a method other than METHODS: OPTIONS asks for them, the others are not allowed."""
    status = HTTPStatus.NO_CONTENT if method == "OPTIONS" else HTTPStatus.METHOD_NOT_ALLOWED
    return Response(status=status, headers={"Allow": ", ".join((*METHODS, "OPTIONS"))})


class _Handler(WSGIRequestHandler):
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
