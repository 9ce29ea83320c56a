"""gunicorn's request, with a response that announces when its connection will be closed."""

from __future__ import annotations

from gunicorn.http import message
from gunicorn.http.body import ChunkedReader, LengthReader

MAX_UNREAD_BYTES = 64 * 1024  # the most that gunicorn drains of a body that the application did not read


class Request(message.Request):  # type: ignore[misc]  # gunicorn carries no type hints
    """A request after which the connection is closed if its body is malformed, too slow or largely unread."""

    def should_close(self) -> bool:
        """Return whether the response announces that it is the last one of its connection."""
        if super().should_close() or self.body is None or self.body.failed:
            return True
        reader = self.body.reader
        if isinstance(reader, ChunkedReader):
            return reader.parser is not None
        return isinstance(reader, LengthReader) and reader.length > MAX_UNREAD_BYTES
