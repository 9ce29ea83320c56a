"""The Flask application of a function: its routes, its services, health checks, and a request log."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, partial
from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog
from flask import Flask, Request, Response, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import PreconditionFailed, RequestEntityTooLarge
from werkzeug.routing import PathConverter

from soundlift.common.errors import BadRequest
from soundlift.common.logging import begin_trace
from soundlift.common.metrics.requests import measure_requests
from soundlift.common.services import Services, process_services
from soundlift.common.tracing.requests import RECEIVES_EVENTS, trace_requests
from soundlift.common.web.body_deadline import limit_body_time
from soundlift.common.web.concurrency_limit import ConcurrencyLimit, release
from soundlift.common.web.function_request import FunctionRequest, require_plain_body
from soundlift.common.web.problems import problem_response, register_error_handlers, unexpected_problem
from soundlift.common.web.request_log import HEALTH, log_requests
from soundlift.common.web.security_headers import add_security_headers
from soundlift.common.web.strict_json import StrictJson

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from cloudevents.core.v1.event import CloudEvent

MAX_BODY_BYTES = 16 * 1024  # a body up to this size has arrived before a thread gets the request, unless it is chunked
MAX_EVENT_BYTES = 2**20
BODY_SECONDS = 30.0  # for a body that is read into memory; a minimum rate applies to one that is streamed
ANY_PATH = "/<anything:path>"

HttpHandler = Callable[..., ResponseReturnValue]
EventHandler = Callable[["CloudEvent", Services], "CloudEvent | None"]
log = structlog.get_logger()


class Anything(PathConverter):
    """Any path, even an empty one or one with several slashes in a row, except those of the health checks."""

    regex = f"(?!{HEALTH[1:]})(?s:.*?)"


class Function(Flask):
    """A function as a WSGI application."""

    json_provider_class = StrictJson
    request_class = FunctionRequest

    def __init__(
        self,
        name: str,
        *,
        needs: Sequence[str] = (),
        max_body_bytes: int | None = MAX_BODY_BYTES,
        services: Services | None = None,
    ) -> None:
        """Make an application with no routes except those of the health checks.

        `needs` names the services that /_/ready checks. A body of more than `max_body_bytes` gets a 413; None leaves
        the limit to the handlers. Without `services`, they come from the environment.
        """
        super().__init__(name, static_folder=None)
        self.needs = needs
        self._services = services
        self.config["MAX_CONTENT_LENGTH"] = max_body_bytes
        self.url_map.converters["anything"] = Anything
        self.url_map.merge_slashes = False  # the redirect would omit the prefix at which a gateway serves the function
        self.add_url_rule(f"{HEALTH}health", "health", lambda: "OK")
        self.add_url_rule(f"{HEALTH}ready", "ready", self._check_services)
        self.after_request(_release_on_close)
        add_security_headers(self)
        log_requests(self)
        measure_requests(self)
        trace_requests(self)
        register_error_handlers(self)

    @property
    def services(self) -> Services:
        """Return the services that were passed in, or those of the process."""
        return self._services or process_services()

    @services.setter
    def services(self, services: Services) -> None:
        self._services = services

    def handle(
        self, rule: str, handler: HttpHandler, *, methods: Sequence[str], max_body_bytes: int | None = None
    ) -> None:
        """Handle requests for the paths of a rule with `handler(request, services, **variables of the path)`.

        `max_body_bytes` limits the bodies of these requests instead of the limit of the application.
        """
        answer = partial(self._answer, handler, max_body_bytes)
        self.add_url_rule(rule, handler.__name__, answer, methods=methods)

    def open_services(self) -> None:
        """Open what the function needs, without connecting; raises SettingError if a setting is missing."""
        for name in self.needs:
            getattr(self.services, name)

    def make_default_options_response(self) -> Response:
        """Extend Flask's: a response to OPTIONS has no content, and so no 200 (RFC 9110, section 9.3.7)."""
        response = super().make_default_options_response()
        response.status_code = HTTPStatus.NO_CONTENT
        del response.headers["Content-Type"]
        return response

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Handle a request as Flask does; release it on errors, after which nothing closes the response.

        An empty path is that of the root (RFC 9110, section 4.2.3), for which Werkzeug would redirect.
        """
        environ["PATH_INFO"] = environ["PATH_INFO"] or "/"
        try:
            return super().wsgi_app(environ, start_response)
        except BaseException:
            release(environ)
            raise

    @cached_property
    def _concurrency_limit(self) -> ConcurrencyLimit:
        return ConcurrencyLimit(self.services.settings.threads)

    def _answer(self, handler: HttpHandler, max_body_bytes: int | None, **variables: str) -> ResponseReturnValue:
        self._concurrency_limit.admit(request.environ)
        require_plain_body(request)
        if max_body_bytes is not None:
            request.max_content_length = max_body_bytes
        if (limit := request.max_content_length) is not None:
            _read_body(limit)
        response = handler(request, self.services, **variables)
        if isinstance(response, Response) and response.status_code == HTTPStatus.PRECONDITION_FAILED:
            response.close()  # Werkzeug's `make_conditional` changes only the status, and keeps the body
            raise PreconditionFailed
        return response

    def _check_services(self) -> str:
        for name in self.needs:
            self.services.check(name)
        return "OK"


def http_function(
    handler: HttpHandler,
    *,
    methods: Sequence[str],
    needs: Sequence[str] = (),
    max_body_bytes: int | None = MAX_BODY_BYTES,
    services: Services | None = None,
) -> Function:
    """Make an application that calls `handler(request, services)` for every path except those of the health checks."""

    def answer(request: Request, services: Services, path: str) -> ResponseReturnValue:
        return handler(request, services)

    app = Function(handler.__name__, needs=needs, max_body_bytes=max_body_bytes, services=services)
    app.handle(ANY_PATH, answer, methods=methods)
    return app


def event_function(handler: EventHandler, *, needs: Sequence[str] = (), services: Services | None = None) -> Function:
    """Make an application that passes the CloudEvent of each POST to `handler` and responds with the event it returns.

    An unexpected error becomes a 503, since a Knative source does not resend an event after a 500.
    """
    from soundlift.common.events import from_http, to_http, traceparent_from
    from soundlift.common.tracing.event_requests import begin_event_span

    def answer(request: Request, services: Services) -> ResponseReturnValue:
        event = from_http(dict(request.headers), request.get_data())
        begin_trace(traceparent_from(event) or request.headers.get("traceparent"), function=handler.__name__)
        begin_event_span(handler.__name__, request.headers.get("traceparent"), event)
        reply = handler(event, services)
        if reply is None:
            return Response(status=HTTPStatus.NO_CONTENT)
        headers, body = to_http(reply)
        return Response(body, headers=headers)

    unusable = itertools.count(1)

    def refuse(error: BadRequest) -> Response:
        """Log an unusable event, and how many there have been: a platform drops such an event without a trace."""
        log.error("unusable event", detail=error.detail, count=next(unusable), **error.evidence)
        return problem_response(error)

    answer.__name__ = handler.__name__
    app = http_function(answer, methods=["POST"], needs=needs, max_body_bytes=MAX_EVENT_BYTES, services=services)
    app.config[RECEIVES_EVENTS] = True
    app.register_error_handler(BadRequest, refuse)
    app.register_error_handler(
        Exception, lambda _: unexpected_problem(HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "30"})
    )
    return app


def _read_body(limit: int) -> None:
    """Read the body, even if the handler ignores it: gunicorn would detect a malformed body after the response."""
    limit_body_time(BODY_SECONDS)
    size = len(request.get_data())
    # Werkzeug returns the first `limit` bytes of a longer chunked body (https://github.com/pallets/werkzeug/pull/2620).
    if request.content_length is None and size >= limit:
        raise RequestEntityTooLarge


def _release_on_close(response: Response) -> Response:
    """Keep the request in progress until its response is closed, whether the handler or an error made it."""
    response.call_on_close(partial(release, request.environ))
    return response
