"""Permission for pages of the origins in CORS_ORIGINS to call a function (Fetch standard, section 3.3, CORS protocol).

Only the routes that a function names take part, and none that reads the session cookie. Cookies are never allowed: a
page of another origin acts for the user whose token it has, not for the one who is signed in to the browser.

Flask-CORS is not used because it allows the same methods on every route, and would be in every image.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from flask import Response, request

from soundlift.common.setting_types import ANY_ORIGIN

if TYPE_CHECKING:
    from soundlift.common.web.application import Function, HttpHandler

HEALTH_CHECKS = {"health", "ready"}
MAX_AGE_SECONDS = 7200  # browsers keep the response to a preflight request no longer
REQUEST_HEADERS = (
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-Modified-Since, If-None-Match, If-Range, "
    "If-Unmodified-Since, Last-Event-ID, Range, Repr-Digest, Traceparent, Tus-Resumable, Upload-Checksum, "
    "Upload-Defer-Length, Upload-Length, Upload-Metadata, Upload-Offset, X-Filename, X-HTTP-Method-Override, "
    "X-Request-ID, X-Requested-With"  # the last two, Uppy and tus-js-client can send
)
RESPONSE_HEADERS = (
    "Accept-Ranges, Content-Disposition, Content-Range, ETag, Location, RateLimit, RateLimit-Policy, Retry-After, "
    "Soundlift-Job, Tus-Checksum-Algorithm, Tus-Extension, Tus-Max-Size, Tus-Resumable, Tus-Version, "
    "Upload-Defer-Length, Upload-Expires, Upload-Length, Upload-Metadata, Upload-Offset"
)


def allow_cross_origin(app: Function, *handlers: HttpHandler) -> None:
    """Let pages of the origins in CORS_ORIGINS call the routes of some handlers, or of all that an application has."""
    endpoints = {handler.__name__ for handler in handlers} or app.view_functions.keys() - HEALTH_CHECKS
    app.after_request(partial(_add, app, frozenset(endpoints)))


def _add(app: Function, endpoints: frozenset[str], response: Response) -> Response:
    origins = app.services.settings.cors_origins
    if not origins or request.endpoint not in endpoints:
        return response
    if ANY_ORIGIN not in origins:
        response.vary.add("Origin")  # a cache must not give one origin the response to another
    allowed = ANY_ORIGIN if ANY_ORIGIN in origins else request.headers.get("Origin")
    if allowed in origins:
        _permit(response, allowed)
    return response


def _permit(response: Response, origin: str) -> None:
    headers = response.headers
    headers["Access-Control-Allow-Origin"] = origin
    headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        headers["Access-Control-Allow-Methods"] = headers["Allow"]
        headers["Access-Control-Allow-Headers"] = REQUEST_HEADERS
        headers["Access-Control-Max-Age"] = str(MAX_AGE_SECONDS)
    else:
        headers["Access-Control-Expose-Headers"] = RESPONSE_HEADERS
