"""Makes a handler a Flask application: services, health, errors as problem documents, and a request log."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from cloudevents.core.v1.event import CloudEvent
from flask import Flask, Request, Response, current_app, g, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from soundlift.common.errors import BadRequest, Busy, SoundliftError
from soundlift.common.events import from_http, to_http, traceparent_of
from soundlift.common.log import begin_trace
from soundlift.common.places import Places
from soundlift.common.services import Services, services_of_process

LARGEST_BODY = 2**20
PROBLEM = "application/problem+json"  # RFC 9457

HttpHandler = Callable[[Request, Services], ResponseReturnValue]
EventHandler = Callable[[CloudEvent, Services], CloudEvent | None]
log = structlog.get_logger()


class Function(Flask):
    """Is one function as a WSGI application."""

    def __init__(self, name: str, services: Services | None, needs: Sequence[str]) -> None:
        super().__init__(name, static_folder=None)
        self.needs = needs
        self._services = services
        self._places = Places()
        self.add_url_rule("/_/health", view_func=lambda: "OK", endpoint="health")
        self.add_url_rule("/_/ready", view_func=self._ready, endpoint="ready")
        self.register_error_handler(SoundliftError, _problem_of_ours)
        self.register_error_handler(HTTPException, _problem_of_werkzeug)
        self.register_error_handler(Exception, _problem_unforeseen)
        self.before_request(_begin)
        self.after_request(_log_request)
        self.after_request(self._leave)

    @property
    def services(self) -> Services:
        """Return the services given, or those of the process."""
        return self._services or services_of_process()

    @services.setter
    def services(self, services: Services) -> None:
        self._services = services

    def enter(self) -> None:
        """Take one of the places for requests in work, until the response is closed; raise Busy where none is free."""
        if not self._places.take(self.services.settings.threads):
            raise Busy("This function answers as many requests as it may.", retry_after=1)
        g.entered = True

    def _leave(self, response: Response) -> Response:
        if g.pop("entered", False):
            response.call_on_close(self._places.give_back)
        return response

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
    app = Function(handle.__name__, services, needs)
    app.config["MAX_CONTENT_LENGTH"] = largest_body

    def view(path: str = "") -> ResponseReturnValue:
        app.enter()
        return handle(request, app.services)

    for rule in ("/", "/<path:path>"):
        app.add_url_rule(rule, "handle", view, methods=methods)
    return app


def event_function(handle: EventHandler, *, needs: Sequence[str] = (), services: Services | None = None) -> Function:
    """Make an application that gives `handle` the CloudEvent of each POST, and returns the event it answers.

    Nothing unforeseen is answered 500, which a Knative source takes for final, but 503.
    """

    def view(request: Request, services: Services) -> ResponseReturnValue:
        event = from_http(dict(request.headers), request.get_data())
        begin_trace(traceparent_of(event) or request.headers.get("traceparent"))
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
    app = http_function(view, methods=["POST"], needs=needs, services=services)
    app.register_error_handler(BadRequest, refuse)
    app.register_error_handler(Exception, _event_unforeseen)
    return app


def _begin() -> None:
    g.began = time.monotonic()
    begin_trace(request.headers.get("traceparent"))


def _log_request(response: Response) -> Response:
    if not request.path.startswith("/_/"):
        took = round((time.monotonic() - g.began) * 1000, 1)
        log.info(
            "request",
            function=current_app.name,
            method=request.method,
            path=request.path,
            status=response.status_code,
            milliseconds=took,
        )
    return response


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
    return _problem(status, error.name, error.description or error.name, error.name.lower().replace(" ", "_"), kept)


def _problem_unforeseen(error: Exception) -> Response:
    return _unforeseen(HTTPStatus.INTERNAL_SERVER_ERROR, {})


def _event_unforeseen(error: Exception) -> Response:
    return _unforeseen(HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "30"})


def _unforeseen(status: HTTPStatus, headers: dict[str, Any]) -> Response:
    log.exception("unforeseen error")
    detail = "Something went wrong on our side. The trace id of this request is in the log."
    return _problem(status, status.phrase, detail, "internal_error", headers)
