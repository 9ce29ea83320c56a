"""An OpenTelemetry collector in this process: it receives spans (OTLP over HTTP) and keeps them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Status

PATH = "/v1/traces"


@dataclass(frozen=True)
class ReceivedSpan:
    """A span, with the name of its service; ids are hexadecimal, and times in nanoseconds."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    links: Sequence[tuple[str, str]]
    attributes: Mapping[str, Any]
    failed: bool
    began: int
    ended: int


class OtlpReceiver:
    """A collector on a free port; a context manager. After `stall`, it answers no request."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._spans: list[ReceivedSpan] = []
        self._headers: list[Mapping[str, str]] = []
        self._bodies: list[bytes] = []
        self._answering = Event()
        self._answering.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @property
    def spans(self) -> list[ReceivedSpan]:
        """Return the spans received so far."""
        with self._lock:
            return list(self._spans)

    @property
    def headers(self) -> Sequence[Mapping[str, str]]:
        """Return the headers of each request."""
        with self._lock:
            return list(self._headers)

    @property
    def bodies(self) -> Collection[bytes]:
        """Return the body of each request."""
        with self._lock:
            return list(self._bodies)

    def trace(self, trace_id: str) -> list[ReceivedSpan]:
        """Return the spans of a trace received so far, by the time of their beginning."""
        return sorted((span for span in self.spans if span.trace_id == trace_id), key=lambda span: span.began)

    def stall(self) -> None:
        """Answer no request from now on."""
        self._answering.clear()

    def proceed(self) -> None:
        """Answer requests again, also those that wait."""
        self._answering.set()

    def receive(self, path: str, headers: Mapping[str, str], body: bytes) -> int:
        """Keep the spans of a request, and return the status of the answer."""
        with self._lock:
            self._headers.append(headers)
            self._bodies.append(body)
        self._answering.wait()
        if path != PATH:
            return 404
        with self._lock:
            self._spans += _spans(ExportTraceServiceRequest.FromString(body))
        return 200

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.05,), name="otlp-receiver", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._answering.set()
        self._server.shutdown()
        self._server.server_close()


def _handler(receiver: OtlpReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 5

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = receiver.receive(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments: Any) -> None:
            pass

    return Handler


def _spans(request: ExportTraceServiceRequest) -> list[ReceivedSpan]:
    return [
        _span(str(_values(group.resource.attributes).get("service.name")), span)
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


def _span(service: str, span: SpanMessage) -> ReceivedSpan:
    return ReceivedSpan(
        service=service,
        name=span.name,
        kind=SpanMessage.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        links=[(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
        attributes=_values(span.attributes),
        failed=span.status.code == Status.STATUS_CODE_ERROR,
        began=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
    )


def _values(attributes: Collection[KeyValue]) -> dict[str, Any]:
    return {attribute.key: _value(attribute.value) for attribute in attributes}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind else None
