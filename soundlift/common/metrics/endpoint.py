"""The port at which Prometheus reads the metrics of a process that runs functions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from werkzeug import Request

from soundlift.common.metrics.exposition import metrics_response
from soundlift.common.metrics.state import State
from soundlift.common.web.second_port import respond, serve_second_port

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from soundlift.common.services import Services

PATH = "/metrics"


@dataclass(frozen=True)
class MetricsEndpoint:
    """The WSGI application with /metrics, which responds in the format that the request asks for."""

    registry: CollectorRegistry

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Respond to a request."""
        return respond(Request(environ), {PATH: self._metrics})(environ, start_response)

    def _metrics(self, request: Request) -> WSGIApplication:
        return metrics_response(request, self.registry)


def serve_metrics(services: Services) -> None:
    """Serve the metrics of a process until it ends, if METRICS_PORT is set.

    Raises SettingError if the port cannot be bound.
    """
    settings = services.settings
    if services.metrics:
        services.metrics.registry.register(State(services))
        serve_second_port(
            MetricsEndpoint(services.metrics.registry), settings.host, settings.metrics_port, "METRICS_PORT"
        )
