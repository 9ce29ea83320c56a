"""Fakes of Knative's broker for RabbitMQ and of its source adapter, with the observed behaviour of v0.49."""

from __future__ import annotations

import itertools
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import urllib3
from cloudevents.core.v1.event import CloudEvent
from werkzeug import Request, Response
from werkzeug.serving import make_server

from soundlift.common.errors import BadEvent, NoEvent
from soundlift.common.events import STRUCTURED, Message, from_http, from_message

ATTEMPTS = 3
BACKOFF_SECONDS = 0.05
RETRIED_STATUSES = frozenset({404, 409, 429, 500, 503})
STATUSES_RETRIED_BY_SOURCE = frozenset({404, 429, 503})
PLAIN_EVENT = "dev.knative.rabbitmq.event"
Binary = tuple[dict[str, str], bytes]


class WsgiServer(AbstractContextManager["WsgiServer"]):
    """A WSGI application on a loopback port."""

    def __init__(self, app: Any) -> None:
        self._server = make_server("127.0.0.1", 0, app, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.url = f"http://127.0.0.1:{self._server.port}/"
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class KnativeBroker:
    """The ingress and the dispatchers; each trigger is an event type and a subscriber's address.

    If `loss_interval` is n, every nth event is answered 202 and then lost.
    """

    def __init__(self) -> None:
        self.triggers: Sequence[tuple[str, str]] = ()
        self.loss_interval = 0
        self.accepted: list[CloudEvent] = []
        self.dead_letters: list[CloudEvent] = []
        self.dropped: list[int] = []
        self.loops: list[CloudEvent] = []
        self._numbers = itertools.count(1)
        self._http = urllib3.PoolManager(retries=False)
        self._pool = ThreadPoolExecutor(4)
        self._in_flight: list[Future[None]] = []

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """Answer as the ingress does: 202 for every event, whether or not there is a trigger for it."""
        request = Request(environ)
        return self._receive(request)(environ, start_response)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    @property
    def is_idle(self) -> bool:
        """Return whether every event has been delivered, lost or dead-lettered."""
        return all(future.done() for future in list(self._in_flight))

    def _receive(self, request: Request) -> Response:
        if request.method != "POST":
            return Response(status=405)
        try:
            event = from_http(dict(request.headers), request.get_data())
        except BadEvent:
            return Response(status=400)
        self._accept(event)
        return Response(status=202)

    def _accept(self, event: CloudEvent) -> None:
        self.accepted.append(event)
        lost = self.loss_interval and next(self._numbers) % self.loss_interval == 0
        urls = [] if lost else [url for event_type, url in self.triggers if event_type == event.get_type()]
        for url in urls:
            self._in_flight.append(self._pool.submit(self._dispatch, url, _as_stored(event)))

    def _dispatch(self, url: str, event: CloudEvent) -> None:
        headers, body = to_binary(event, "application/json")
        for _ in range(ATTEMPTS):
            response = self._http.request("POST", url, headers=headers, body=body, redirect=False)
            if response.status not in RETRIED_STATUSES:
                return self._settle(event, response)
            time.sleep(BACKOFF_SECONDS)
        errors = {"knativeerrordest": url, "knativeerrorcode": str(response.status)}
        self.dead_letters.append(CloudEvent({**event.get_attributes(), **errors}, event.get_data()))
        return None

    def _settle(self, event: CloudEvent, response: urllib3.BaseHTTPResponse) -> None:
        if response.status not in range(200, 300):
            self.dropped.append(response.status)
            return
        names = {name.lower() for name in response.headers}
        structured = response.headers.get("content-type", "").startswith(STRUCTURED)
        if response.data and (structured or "ce-id" in names):
            reply = from_http(dict(response.headers), response.data)
            (self.loops.append if reply.get_type() == event.get_type() else self._accept)(reply)


class KnativeSource:
    """The source adapter for RabbitMQ, which sends each message of a queue to one address."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = urllib3.PoolManager(retries=False)

    def deliver(self, message: Message, message_id: str) -> Iterator[int]:
        """Yield the status of each attempt; the message is dropped after the last, and replies are always discarded."""
        headers, body = adapt(message, message_id)
        for _ in range(ATTEMPTS):
            status = self._http.request("POST", self._url, headers=headers, body=body, redirect=False).status
            yield status
            if status not in STATUSES_RETRIED_BY_SOURCE:
                return
            time.sleep(BACKOFF_SECONDS)


def adapt(message: Message, message_id: str) -> Binary:
    """Return a message as the source adapter sends it: always in binary mode, often without a content type."""
    try:
        event = from_message(message)
    except NoEvent:
        source = "/apis/v1/namespaces/soundlift/rabbitmqsources/video"
        attributes = {"specversion": "1.0", "type": PLAIN_EVENT, "source": source, "id": message_id}
        event = CloudEvent(attributes, message.body)
    return to_binary(event, message.headers.get("content-type"))


def to_binary(event: CloudEvent, content_type: str | None) -> Binary:
    """Return an event in binary mode, with its JSON re-encoded."""
    texts = {name: _text(value) for name, value in event.get_attributes().items() if name != "datacontenttype"}
    headers = {f"ce-{name}": quote(text, safe=" !#$&'()*+,/:;<=>?@[]^_`{|}~") for name, text in texts.items()}
    data = event.get_data()
    body = data if isinstance(data, bytes) else b" " + json.dumps(data).encode()
    return {**headers, **({"Content-Type": content_type} if content_type else {})}, body


def _as_stored(event: CloudEvent) -> CloudEvent:
    """Return an event with the ingress's trace context instead of the sender's."""
    attributes: Mapping[str, Any] = event.get_attributes()
    trace = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
    return CloudEvent({**attributes, "traceparent": trace}, event.get_data())


def _text(value: Any) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)
