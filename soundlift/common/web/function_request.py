"""The request that a handler receives; a part of it that cannot be read is the client's error."""

from __future__ import annotations

from functools import cache
from typing import IO, Any

from flask import Request
from werkzeug.datastructures import Authorization

from soundlift.common.errors import BadRequest

MOST_DIGITS = 19  # of a length; int64 has as many


class FunctionRequest(Request):
    """Flask request whose body and Authorization header raise nothing but BadRequest, whatever the client sent."""

    def __init__(self, environ: dict[str, Any], *args: Any, **options: Any) -> None:
        environ["wsgi.input"] = RequestBody(environ["wsgi.input"], environ.get("CONTENT_LENGTH", ""))
        super().__init__(environ, *args, **options)

    @property
    def authorization(self) -> Authorization | None:
        """Return the Authorization header, or None where it is absent or malformed.

        Werkzeug decodes Basic credentials by base64.b64decode, and catches every error but the plain ValueError that
        it raises for text beyond ASCII (https://docs.python.org/3/library/binascii.html#binascii.a2b_base64).
        """
        try:
            return Authorization.from_header(self.headers.get("Authorization"))
        except ValueError:
            return None


class RequestBody:
    """WSGI input stream that raises BadRequest where the body is malformed, or ends before its announced length."""

    def __init__(self, stream: IO[bytes], length: str) -> None:
        self._stream = stream
        self._missing = int(length) if length.isascii() and length.isdigit() and len(length) <= MOST_DIGITS else 0

    def read(self, size: int = -1, /) -> bytes:
        """Return at most `size` bytes, or all that is left; b"" means that the body is complete."""
        try:
            data = self._stream.read(size)
        except _errors_of_body() as error:
            raise BadRequest("The body is malformed or was cut off. Send it again.", cause=str(error)) from error
        self._missing -= len(data)
        if self._missing > 0 and (size < 0 or (size > 0 and not data)):
            raise BadRequest("The body ended before its announced length. Send it again.")
        return data


@cache
def _errors_of_body() -> tuple[type[Exception], ...]:
    """Return what gunicorn raises for a body; imported when it is needed, since that takes 50 ms outside gunicorn."""
    from gunicorn.http.errors import ParseException

    return (OSError, ValueError, ParseException)
