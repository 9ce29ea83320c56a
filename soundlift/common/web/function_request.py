"""The request that a handler receives; any part that cannot be read is a client error."""

from __future__ import annotations

from functools import cache
from typing import IO, Any

from flask import Request
from werkzeug.datastructures import Authorization

from soundlift.common.errors import BadRequest, UnsupportedEncoding

MAX_LENGTH_DIGITS = 19  # of an int64


class FunctionRequest(Request):
    """A Flask request whose body and Authorization header raise nothing but BadRequest, whatever the client sent."""

    def __init__(self, environ: dict[str, Any], *args: Any, **options: Any) -> None:
        environ["wsgi.input"] = RequestBody(environ["wsgi.input"], environ.get("CONTENT_LENGTH", ""))
        super().__init__(environ, *args, **options)

    @property
    def authorization(self) -> Authorization | None:
        """Return the Authorization header, or None if it is absent or malformed.

        Werkzeug catches the errors of malformed base64 (https://github.com/pallets/werkzeug/issues/2717), but not the
        plain ValueError that Python raises for text beyond ASCII
        (https://docs.python.org/3/library/binascii.html#binascii.a2b_base64).
        """
        try:
            return Authorization.from_header(self.headers.get("Authorization"))
        except ValueError:
            return None


def require_plain_body(request: Request) -> None:
    """Raise UnsupportedEncoding for a compressed body, which could grow beyond every limit when it is decompressed."""
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise UnsupportedEncoding("The body has a Content-Encoding. Send it without one.")


class RequestBody:
    """A WSGI input stream that raises BadRequest if the body is malformed or shorter than its Content-Length."""

    def __init__(self, stream: IO[bytes], length: str) -> None:
        self._stream = stream
        self._missing = int(length) if length.isascii() and length.isdigit() and len(length) <= MAX_LENGTH_DIGITS else 0

    def read(self, size: int = -1, /) -> bytes:
        """Return at most `size` bytes, or the rest; b"" means that the body is complete."""
        try:
            data = self._stream.read(size)
        except _body_errors() as error:
            raise BadRequest("The body is malformed or was cut off. Send it again.", cause=str(error)) from error
        self._missing -= len(data)
        if self._missing > 0 and (size < 0 or (size > 0 and not data)):
            raise BadRequest("The body is shorter than its Content-Length. Send it again.")
        return data


@cache
def _body_errors() -> tuple[type[Exception], ...]:
    """Return what gunicorn raises for a malformed body; imported late, since that takes 50 ms outside gunicorn."""
    from gunicorn.http.errors import ParseException

    return (OSError, ValueError, ParseException)
