"""Makes a handler a Flask application: services, health, errors as problem documents, and a request log."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from json import JSONEncoder
from typing import TYPE_CHECKING, Any, cast

import structlog
from flask import Flask, Request, Response, jsonify, request
from flask.json.provider import DefaultJSONProvider
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

from soundlift.common.errors import PROBLEM, UNFORESEEN, BadRequest, Busy, SoundliftError, code_of
from soundlift.common.json_text import read_json
from soundlift.common.logging import begin_trace, trace_id
from soundlift.common.services import Services, services_of_process
from soundlift.common.web.body_deadline import limit_body_time
from soundlift.common.web.concurrency_limit import Places
from soundlift.common.web.function_request import FunctionRequest

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from cloudevents.core.v1.event import CloudEvent

LARGEST_BODY = 16 * 1024  # such a body has arrived before a thread is taken, unless it is chunked
LARGEST_EVENT = 2**20
BODY_SECONDS = 30.0  # for a body that is held in memory; one that streams has a least rate
READING = {"GET", "HEAD", "OPTIONS"}
ENTERED = "soundlift.entered"  # in the environ of a request that has taken a place

HttpHandler = Callable[[Request, Services], ResponseReturnValue]
EventHandler = Callable[["CloudEvent", Services], "CloudEvent | None"]
log = structlog.get_logger()


class Json(DefaultJSONProvider):
    """Writes JSON by one encoder that is kept: making one takes longer than most answers do."""

    # NaN and Infinity are no JSON (RFC 8259, section 6). Rows are read without them; any other is a bug, answered 500.
    _encode = JSONEncoder(separators=(",", ":"), default=DefaultJSONProvider.default, allow_nan=False).encode

    def dumps(self, obj: Any, **options: Any) -> str:
        """Return an answer as JSON, its members in the order in which they were given."""
        return self._encode(obj)

    def loads(self, s: str | bytes, **options: Any) -> Any:
        """Return the document that a client sent; raises ValueError where it cannot be used."""
        return read_json(s)


class Function(Flask):
    """Is one function as a WSGI application: one handler for all paths but those of health."""

    json_provider_class = Json
    request_class = FunctionRequest

    def __init__(
        self, handle: HttpHandler, methods: Sequence[str], needs: Sequence[str], services: Services | None
    ) -> None:
        super().__init__(handle.__name__, static_folder=None)
        self.needs = needs
        self._handle = handle
        self._methods = {*methods, "OPTIONS", *(["HEAD"] if "GET" in methods else [])}
        self._services = services
        self._places = Places()
        self._health: Mapping[str, Callable[[], str]] = {"/_/health": lambda: "OK", "/_/ready": self._ready}
        self.after_request(self._give_place_back_at_end)
        self.register_error_handler(SoundliftError, _problem_of_ours)
        self.register_error_handler(HTTPException, _problem_of_werkzeug)
        self.register_error_handler(Exception, _problem_unforeseen)

    @property
    def services(self) -> Services:
        """Return the services given, or those of the process."""
        return self._services or services_of_process()

    @services.setter
    def services(self, services: Services) -> None:
        self._services = services

    def create_url_adapter(self, request: Request | None) -> None:
        """Route nothing: to find the one rule for all paths takes as long as a short answer."""

    def full_dispatch_request(self) -> Response:
        """Answer a request as Flask does, with its trace begun before, and its line in the log after."""
        began, asked = time.monotonic(), _current_request()
        begin_trace(asked.environ.get("HTTP_TRACEPARENT"), function=self.name)
        response = super().full_dispatch_request()
        if asked.path not in self._health:
            took = round((time.monotonic() - began) * 1000, 1)
            log.info(
                "request",
                method=asked.method,
                path=asked.path,
                status=response.status_code,
                milliseconds=took,
            )
        return response

    def dispatch_request(self) -> ResponseReturnValue:
        """Have a request handled; raises MethodNotAllowed, or Busy where no place for it is free."""
        asked = _current_request()
        health = self._health.get(asked.path)
        methods = READING if health else self._methods
        if asked.method not in methods:
            raise MethodNotAllowed(sorted(methods))
        if asked.method == "OPTIONS":
            return Response(headers={"Allow": ", ".join(sorted(methods))})
        if health:
            return health()
        self._enter(asked)
        if self.config["MAX_CONTENT_LENGTH"] is not None:
            self._read_body(asked)
        return self._handle(asked, self.services)

    def _read_body(self, asked: Request) -> None:
        """Read the body, even if the handler ignores it: gunicorn would find a malformed one after the answer."""
        limit_body_time(BODY_SECONDS)
        size = len(asked.get_data())
        # Of a chunked body Werkzeug returns as much as the limit, and does not say that there is more.
        if asked.content_length is None and size >= self.config["MAX_CONTENT_LENGTH"]:
            raise RequestEntityTooLarge

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request as Flask does; where that ends in an error, nobody closes a response."""
        try:
            return super().wsgi_app(environ, start_response)
        except BaseException:
            self._leave(environ)
            raise

    def _give_place_back_at_end(self, response: Response) -> Response:
        """Give the request's place back when its response is closed, whether the handler or an error made it."""
        response.call_on_close(partial(self._leave, _current_request().environ))
        return response

    def _leave(self, environ: WSGIEnvironment) -> None:
        """Give the request's place back, if it still has one."""
        if environ.pop(ENTERED, False):
            self._places.give_back()

    def _enter(self, asked: Request) -> None:
        """Take one of the places for requests in work, until the response is closed."""
        if not self._places.take(self.services.settings.threads):
            raise Busy("This function answers as many requests as it may.", retry_after=1)
        asked.environ[ENTERED] = True

    def open_services(self) -> None:
        """Open what the function needs, without connecting; raises SettingError where a setting is missing."""
        for name in self.needs:
            getattr(self.services, name)

    def _ready(self) -> str:
        for name in self.needs:
            self.services.check(name)
        return "OK"


def http_function(
    handle: HttpHandler,
    *,
    methods: Sequence[str],
    needs: Sequence[str] = (),
    largest_body: int | None = LARGEST_BODY,
    services: Services | None = None,
) -> Function:
    """Make an application that answers every path with `handle`.

    `needs` names the services that /_/ready asks. `largest_body` in bytes is refused beyond with 413;
    None leaves the limit to the handler. Without `services`, they come from the environment.
    """
    app = Function(handle, methods, needs, services)
    app.config["MAX_CONTENT_LENGTH"] = largest_body
    return app


def event_function(handle: EventHandler, *, needs: Sequence[str] = (), services: Services | None = None) -> Function:
    """Make an application that gives `handle` the CloudEvent of each POST, and returns the event it answers.

    Nothing unforeseen is answered 500, which a Knative source takes for final, but 503.
    """
    from soundlift.common.events import from_http, to_http, traceparent_of

    def view(request: Request, services: Services) -> ResponseReturnValue:
        event = from_http(dict(request.headers), request.get_data())
        begin_trace(traceparent_of(event) or request.headers.get("traceparent"), function=handle.__name__)
        reply = handle(event, services)
        if reply is None:
            return Response(status=HTTPStatus.NO_CONTENT)
        headers, body = to_http(reply)
        return Response(body, headers=headers)

    unusable = itertools.count(1)

    def refuse(error: BadRequest) -> Response:
        """Tell the log, and how many there were: a platform drops what is answered 400, and says nothing."""
        log.error("unusable event", detail=error.detail, count=next(unusable), **error.evidence)
        return _problem_of_ours(error)

    view.__name__ = handle.__name__
    app = http_function(view, methods=["POST"], needs=needs, largest_body=LARGEST_EVENT, services=services)
    app.register_error_handler(BadRequest, refuse)
    app.register_error_handler(Exception, _event_unforeseen)
    return app


def _current_request() -> Request:
    """Return the request itself: each look at it through Flask's proxy takes its time."""
    return cast(Request, request._get_current_object())  # type: ignore[attr-defined]


def _problem(status: int, title: str, detail: str, code: str, headers: dict[str, str]) -> Response:
    response = jsonify(title=title, status=status, detail=detail, code=code)
    response.status_code = status
    response.headers.update(headers)
    response.content_type = PROBLEM
    return response


def _problem_of_ours(error: SoundliftError) -> Response:
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning(error.code, detail=error.detail, **error.evidence)
    return _problem(error.status, error.title, error.public_detail, error.code, error.headers)


def _problem_of_werkzeug(error: HTTPException) -> Response:
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR.value
    kept = {name: value for name, value in error.get_headers() if name not in ("Content-Type", "Content-Length")}
    return _problem(status, error.name, error.description or error.name, code_of(error.name), kept)


def _problem_unforeseen(error: Exception) -> Response:
    return _unforeseen(HTTPStatus.INTERNAL_SERVER_ERROR, {})


def _event_unforeseen(error: Exception) -> Response:
    return _unforeseen(HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "30"})


def _unforeseen(status: HTTPStatus, headers: dict[str, Any]) -> Response:
    log.exception("unforeseen error")
    detail = UNFORESEEN.format(trace_id=trace_id())
    return _problem(status, status.phrase, detail, "internal_error", headers)
