"""The paths of resumable uploads, and what tus 1.0 requires of every response and request there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Response, request

from soundlift.common.web.application import Function

from .headers import CHECKSUM_ALGORITHM, EXTENSIONS, VERSION

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

FILES = "/files"
FILE = f"{FILES}/<upload_id>"
# A POST gets a body with a problem document, so it cannot stand for a HEAD, whose response has none.
OVERRIDES = {"PATCH": "PATCH", "DELETE": "DELETE", "HEAD": "GET"}


class UploadFunction(Function):
    """The application of `upload`, which also speaks tus below the path of resumable uploads."""

    def __init__(self, name: str, *, needs: Sequence[str], max_body_bytes: int | None) -> None:
        super().__init__(name, needs=needs, max_body_bytes=max_body_bytes)
        self.after_request(self._add_version)

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Take the method from X-HTTP-Method-Override, for clients that can send no other than POST."""
        override = OVERRIDES.get(environ.get("HTTP_X_HTTP_METHOD_OVERRIDE", ""))
        if override and environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"].startswith(f"{FILES}/"):
            environ["REQUEST_METHOD"] = override
        return super().wsgi_app(environ, start_response)

    def _add_version(self, response: Response) -> Response:
        if request.url_rule is None or request.url_rule.rule not in (FILES, FILE):
            return response
        response.headers["Tus-Resumable"] = VERSION
        if request.method == "OPTIONS" or response.status_code == HTTPStatus.PRECONDITION_FAILED:
            response.headers["Tus-Version"] = VERSION
        if request.method == "OPTIONS":
            response.headers["Tus-Extension"] = EXTENSIONS
            response.headers["Tus-Checksum-Algorithm"] = CHECKSUM_ALGORITHM
            response.headers["Tus-Max-Size"] = str(self.services.settings.max_upload_bytes)
        return response
