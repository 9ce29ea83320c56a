"""A second HTTP port of a process, for probes and for Prometheus, which no client reaches."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from werkzeug import Request, Response
from werkzeug.serving import WSGIRequestHandler, make_server

from soundlift.common.errors import PROBLEM, SettingError, problem_code

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

REQUEST_SECONDS = 10.0  # between two bytes of a request
METHODS = ("GET", "HEAD")


def respond(request: Request, pages: Mapping[str, Callable[[Request], WSGIApplication]]) -> WSGIApplication:
    """Return the response of the page at a path, or a problem document for another path or method."""
    page = pages.get(request.path)
    if page is None:
        return problem(HTTPStatus.NOT_FOUND, f"There are only {', '.join(pages)}.")
    return page(request) if request.method in METHODS else _methods(request.method)


def problem(status: HTTPStatus, detail: str) -> Response:
    """Return a problem document (RFC 9457)."""
    return Response(_document(status, detail), status, content_type=PROBLEM)


def _document(status: HTTPStatus, detail: str) -> str:
    code = problem_code(status.phrase)
    return json.dumps({"title": status.phrase, "status": status.value, "detail": detail, "code": code})


def _methods(method: str) -> Response:
    """Return the response to a method other than METHODS: OPTIONS asks for them, the others are not allowed."""
    allowed = ", ".join((*METHODS, "OPTIONS"))
    if method == "OPTIONS":
        response = Response(status=HTTPStatus.NO_CONTENT)
    else:
        response = problem(HTTPStatus.METHOD_NOT_ALLOWED, f"Only {allowed} are allowed.")
    response.headers["Allow"] = allowed
    return response


class _Handler(WSGIRequestHandler):
    timeout = REQUEST_SECONDS
    default_request_version = "HTTP/1.0"  # a response to HTTP/0.9 would have no status
    error_content_type = PROBLEM
    error_message_format = "%(explain)s"

    def parse_request(self) -> bool:
        """Parse a request as the base class does, and reject targets for which Werkzeug would raise ValueError."""
        if not super().parse_request():
            return False
        with suppress(ValueError):
            _ = urlsplit(self.path).port
            return True
        self.send_error(HTTPStatus.BAD_REQUEST)
        return False

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Send a problem document for a request that is not HTTP/1.1: a client error, whatever the base class says."""
        status = HTTPStatus(code) if code < HTTPStatus.INTERNAL_SERVER_ERROR else HTTPStatus.BAD_REQUEST
        super().send_error(status, status.phrase, _document(status, "The request cannot be read."))

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing; the base class raises ValueError for some targets."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - Werkzeug's name for it
        """Log nothing: probes come every few seconds."""


def serve_second_port(app: WSGIApplication, host: str, port: int, setting: str) -> None:
    """Serve an application in threads until the process ends; raises SettingError if the port cannot be bound."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        detail = f"port {port} cannot be bound: {error}."
        raise SettingError(f"Setting {setting}: {detail}", setting=setting) from None
    server = make_server(host, port, app, threaded=True, request_handler=_Handler, fd=listener.detach())
    Thread(target=server.serve_forever, name=setting.lower(), daemon=True).start()
