"""The connector's liveness, readiness and metrics over HTTP."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from werkzeug import Request, Response

from soundlift.common.broker import Publisher
from soundlift.common.errors import BrokerUnavailable
from soundlift.common.metrics.exposition import metrics_response
from soundlift.common.process.shutdown import Shutdown
from soundlift.common.web.second_port import problem, respond, serve_second_port
from soundlift.connector.loop import DeliveryLoop
from soundlift.connector.metrics import Metrics
from soundlift.connector.subscriptions import Subscriptions

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

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
        pages = {
            "/healthz": lambda _: _response(self._why_dead()),
            "/readyz": lambda _: _response(self._why_not_ready()),
            "/metrics": lambda request: metrics_response(request, self.metrics.registry),
        }
        return respond(Request(environ), pages)(environ, start_response)

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
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, reason) if reason else Response("OK\n")


def serve(app: WSGIApplication, host: str, port: int) -> None:
    """Serve an application in threads until the process ends; raises SettingError if the port cannot be bound."""
    serve_second_port(app, host, port, "CONNECTOR_PORT")
