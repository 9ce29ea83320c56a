"""Check of the OpenTelemetry collector, which accepts a request without spans if it accepts those with spans."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from soundlift.cli.doctor.finding import Check, Finding, failed, ok
from soundlift.common.services import Services

PART = "traces"
SECONDS = 5.0
PATH = "/v1/traces"
NO_SPANS = b""  # an ExportTraceServiceRequest in protobuf
PROTOBUF = {"Content-Type": "application/x-protobuf"}


def check_collector(services: Services) -> Iterator[Finding]:
    """Yield one finding if a collector is set."""
    settings = services.settings
    if not settings.otel_exporter_otlp_endpoint:
        return
    url = f"{settings.otel_exporter_otlp_endpoint}{PATH}"
    host = urlsplit(url).netloc
    headers = {**PROTOBUF, **dict(settings.otel_exporter_otlp_headers)}
    try:
        status = urllib3.request("POST", url, body=NO_SPANS, headers=headers, timeout=SECONDS, retries=False).status
    except HTTPError:
        yield failed(PART, f"{host} does not answer as a collector", CHECK.advice)
        return
    if status in (401, 403):
        yield failed(PART, f"{host} returned {status}", "check OTEL_EXPORTER_OTLP_HEADERS")
    elif not 200 <= status < 300:
        yield failed(PART, f"{host} returned {status} for {PATH}", CHECK.advice)
    else:
        yield ok(PART, f"{host} accepts spans")


CHECK = Check(
    PART,
    "check OTEL_EXPORTER_OTLP_ENDPOINT: the address for OTLP over HTTP, usually port 4318, without /v1/traces",
    check_collector,
)
