"""gunicorn's request, with a response that announces when its connection will be closed."""

from __future__ import annotations

from gunicorn.http import message
from gunicorn.http.body import ChunkedReader, LengthReader

MAX_UNREAD_BYTES = 64 * 1024  # the most that gunicorn drains of a body that the application did not read


class Request(message.Request):  # type: ignore[misc]  # gunicorn carries no type hints
    """A request after which the connection is closed if its body is malformed, too slow, largely or not yet sent.

    gunicorn's responses have the version of their request; they must not claim one that does not exist.
    """

    _expected_100_continue: bool

    def parse_request_line(self, line_bytes: bytes) -> None:
        """Extend gunicorn's: treat a later minor version as HTTP/1.1 (RFC 9110, section 2.5)."""
        super().parse_request_line(line_bytes)
        self.version: tuple[int, int] = min(self.version, (1, 1))

    def set_body_reader(self) -> None:
        """Extend gunicorn's: send "100 Continue" for the first read of the body, not before the application runs.

        So a client that waits for it learns that its request is rejected before it sends the body.
        """
        super().set_body_reader()
        self.unreader.must_continue = self._expected_100_continue and self._has_body()
        self._expected_100_continue = False

    def _has_body(self) -> bool:
        reader = self.body.reader
        return not isinstance(reader, LengthReader) or reader.length > 0

    def should_close(self) -> bool:
        """Return whether the response announces that it is the last one of its connection."""
        if super().should_close() or self.body is None or self.body.failed or self.unreader.must_continue:
            return True
        reader = self.body.reader
        if isinstance(reader, ChunkedReader):
            return reader.parser is not None
        return isinstance(reader, LengthReader) and reader.length > MAX_UNREAD_BYTES
