"""Metrics as Prometheus reads them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from werkzeug import Request, Response


def metrics_response(request: Request, registry: CollectorRegistry) -> Response:
    """Return the metrics of a registry, in the format that the request asks for."""
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return Response(encode(registry), content_type=content_type)
