"""An OpenFaaS gateway for tests, which lists functions and runs them as plain Python."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from cloudevents.core.v1.event import CloudEvent
from werkzeug import Request, Response
from werkzeug.serving import BaseWSGIServer, make_server

from soundlift.common.events import MP3_READY, from_http, to_http
from tests.connector.events import event as make_event

Function = Callable[[CloudEvent], Response]


@dataclass
class Call:
    """A call of a function, with its time on the monotonic clock."""

    name: str
    event: CloudEvent
    headers: dict[str, str]
    at: float = field(default_factory=time.monotonic)


class Gateway:
    """A gateway that keeps its port when it is stopped and started again."""

    def __init__(self) -> None:
        self.listing: Any = []
        self.listing_status = 200
        self.location = ""
        self.listed: list[dict[str, str]] = []
        self.user: tuple[str, str] | None = None
        self.calls: list[Call] = []
        self.most_at_once: Counter[str] = Counter()
        self._functions: dict[str, Function] = {}
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()
        self._port = 0
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def deploy(self, name: str, topic: str, function: Function) -> None:
        self._functions[name] = function
        self.listing = [*self.listing, {"name": name, "annotations": {"topic": topic}}]

    def calls_of(self, name: str) -> list[Call]:
        return [call for call in self.calls if call.name == name]

    def start(self) -> None:
        self._server = make_server("127.0.0.1", self._port, self._answer, threaded=True)
        self._port = self._server.port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        if self._server and self._thread:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
        self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _answer(self, environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        response = self._list(request) if request.path.startswith("/system/") else self._run(request)
        return response(environ, start_response)

    def _list(self, request: Request) -> Response:
        """Answer with the list; like OpenFaaS's gateway, require a login only here, and only if there is a user."""
        self.listed.append(dict(request.headers))
        given = request.authorization
        if self.user and (given is None or (given.username, given.password) != self.user):
            return json_response({"message": "unauthorized"}, 401, WWW_Authenticate="Basic")
        return json_response(self.listing, self.listing_status, Location=self.location)

    def _run(self, request: Request) -> Response:
        name = request.path.removeprefix("/function/")
        headers = dict(request.headers)
        call = Call(name, from_http(headers, request.get_data()), headers)
        with self._lock:
            self.calls.append(call)
            self._running[name] += 1
            self.most_at_once[name] = max(self.most_at_once[name], self._running[name])
        try:
            return self._functions[name](call.event)
        finally:
            with self._lock:
                self._running[name] -= 1


def json_response(document: Any, status: int = 200, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(json.dumps(document), status, named, content_type="application/json")


def reply(event: CloudEvent) -> Response:
    """Return a response with an event in it."""
    headers, body = to_http(event)
    return Response(body, 200, headers)


def empty(event: CloudEvent) -> Response:
    """Answer 204 to any event."""
    return Response(status=204)


def waiting(released: threading.Event) -> Function:
    """Return a function that answers 204 once the event is set."""

    def function(event: CloudEvent) -> Response:
        released.wait(30)
        return empty(event)

    return function


def refusing(status: int, **headers: str) -> Function:
    """Return a function that answers with a problem document."""
    return lambda event: json_response({"title": "No", "detail": "This will not do."}, status, **headers)


def in_turn(*functions: Function) -> Function:
    """Return a function that answers as each of the given ones in turn, and after that as the last."""
    left = list(functions)

    def answer(event: CloudEvent) -> Response:
        function = left.pop(0) if len(left) > 1 else left[0]
        return function(event)

    return answer


def convert(uploaded: CloudEvent) -> Response:
    """Answer as convert does."""
    return reply(make_event(uploaded.get_subject() or "", MP3_READY))
