"""The recorder of spans, which sends them to an OpenTelemetry collector (OTLP over HTTP) from a thread of its own.

Imported only where a collector is configured: OpenTelemetry takes longer to import than a function takes to start.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from threading import Thread

import structlog
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.trace import Span as OtelSpan

from soundlift.common.settings import Settings
from soundlift.common.tracing.spans import Kind, Span, Value

# At most 2048 spans of about 2 kB wait for a collector; of more, the oldest are dropped.
MAX_WAITING_SPANS = 2048
MAX_BATCH = 512
SEND_MILLISECONDS = 1000
COLLECTOR_SECONDS = 10.0  # for one batch, with retries
LIMITS = SpanLimits(
    max_span_attributes=32, max_events=0, max_links=8, max_span_attribute_length=1024, max_link_attributes=0
)
WARN_SECONDS = 60.0  # between two lines about a collector that does not accept spans

log = structlog.get_logger()


class OtelRecorder:
    """A recorder of the spans of one process, named `service` unless OTEL_SERVICE_NAME is set."""

    def __init__(self, settings: Settings, service: str) -> None:
        _silence_libraries()
        name = settings.otel_service_name or f"soundlift-{service}"
        self._provider = TracerProvider(
            sampler=_sampler(settings.otel_traces_sampler, settings.otel_traces_sampler_arg),
            # Resource.create adds OTEL_RESOURCE_ATTRIBUTES.
            resource=Resource.create({"service.name": name, "service.namespace": "soundlift"}),
            shutdown_on_exit=False,
            span_limits=LIMITS,
        )
        processor = BatchSpanProcessor(
            _Collector(settings),
            max_queue_size=MAX_WAITING_SPANS,
            schedule_delay_millis=SEND_MILLISECONDS,
            max_export_batch_size=MAX_BATCH,
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("soundlift")

    def begin(  # noqa: D102, PLR0913 - documented at the protocol
        self,
        name: str,
        kind: Kind,
        *,
        parent: str | None,
        links: Sequence[str],
        attributes: Mapping[str, Value],
        began: int | None,
    ) -> Span:
        context = set_span_in_context(NonRecordingSpan(_context(parent)), Context()) if parent else Context()
        return _RecordedSpan(
            self._tracer.start_span(
                name,
                context=context,
                kind=SpanKind[kind],
                attributes=attributes,
                links=[Link(_context(link)) for link in links],
                start_time=began,
            )
        )

    def stop(self, seconds: float) -> None:
        """Send what is waiting; after `seconds`, leave the thread that still tries to, which ends with the process."""
        stopping = Thread(target=self._provider.shutdown, name="tracing-stop", daemon=True)
        stopping.start()
        stopping.join(seconds)


class _RecordedSpan:
    """A span of OpenTelemetry's SDK, or the context of one that the sampler left out."""

    def __init__(self, span: OtelSpan) -> None:
        self._span = span
        context = span.get_span_context()
        self.traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
        self.is_recorded = span.is_recording()
        self._has_ended = False

    def set(self, name: str, value: Value) -> None:
        self._span.set_attribute(name, value)

    def end(self, error_type: str = "") -> None:
        if self._has_ended:
            return
        self._has_ended = True
        if error_type:
            self._span.set_attribute("error.type", error_type)
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


class _Collector(SpanExporter):
    """The collector; its client is made at the first batch, so that a start need not wait for its import."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: SpanExporter | None = None
        self._lost = 0
        self._next_warning = 0.0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._client = self._client or _open_client(self._settings)
        result = self._client.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self._lost += len(spans)
            self._warn()
        return result

    def shutdown(self) -> None:
        if self._client is not None:
            self._client.shutdown()

    def _warn(self) -> None:
        if time.monotonic() >= self._next_warning:
            self._next_warning = time.monotonic() + WARN_SECONDS
            log.warning("collector does not accept spans", endpoint=self._settings.otel_exporter_otlp_endpoint,
                        lost_since_start=self._lost)  # fmt: skip


def _open_client(settings: Settings) -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(
        # OTLP 1.x, section "OTLP/HTTP Request": the path is added to the endpoint of all signals
        endpoint=f"{settings.otel_exporter_otlp_endpoint}/v1/traces",
        headers=dict(settings.otel_exporter_otlp_headers),
        timeout=COLLECTOR_SECONDS,
    )


def _sampler(name: str, ratio: float) -> Sampler:
    """Return the sampler that OTEL_TRACES_SAMPLER names."""
    root = name.removeprefix("parentbased_")
    sampler = {"always_on": ALWAYS_ON, "always_off": ALWAYS_OFF}.get(root) or TraceIdRatioBased(ratio)
    return sampler if root == name else ParentBased(sampler)


def _context(traceparent: str) -> SpanContext:
    _, trace_id, span_id, flags = traceparent.split("-")
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16) & 1))


def _silence_libraries() -> None:
    """Drop the messages of OpenTelemetry, which would not be JSON; _Collector logs what an operator has to know."""
    logger = logging.getLogger("opentelemetry")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
