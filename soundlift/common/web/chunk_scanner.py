"""The end of a chunked body (RFC 9112, section 7.1), found without decoding it."""

from __future__ import annotations

import re

MAX_LINE_BYTES = 8 * 1024  # of a chunk's size and extensions, or of a trailer

# At most 16 digits: no body has more bytes than an int64 counts. Python's int() would accept "0x5", "+5" and "5_0".
SIZE_LINE = re.compile(rb"([0-9a-fA-F]{1,16})[ \t]*(?:;[^\r\n]*)?")
TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n]*")
LINE_END = b"\r\n"


class ChunkScanner:
    """A scanner of a chunked body that grows at its end; each byte is scanned once.

    `content_bytes` counts the content so far. `end` is the offset behind the last trailer, once that has arrived.
    """

    def __init__(self, start: int) -> None:
        self.content_bytes = 0
        self.end: int | None = None
        self.is_malformed = False
        self._next = start  # offset of the first byte that has not been scanned
        self._missing: int | None = None  # bytes of the current chunk and its line end; None before its size
        self._in_trailers = False

    def scan(self, received: bytes | bytearray) -> None:
        """Continue with all bytes of the connection so far."""
        while self.end is None and not self.is_malformed:
            progressed = self._skip_chunk(received) if self._missing else self._scan_line(received)
            if not progressed:
                return

    def _skip_chunk(self, received: bytes | bytearray) -> bool:
        """Skip what has arrived of the current chunk; return whether its line end has arrived."""
        assert self._missing is not None
        arrived = min(self._missing, len(received) - self._next)
        content = max(0, self._missing - len(LINE_END))
        self.content_bytes += min(arrived, content)
        self._missing -= arrived
        self._next += arrived
        if self._missing:
            return False
        self.is_malformed = received[self._next - len(LINE_END) : self._next] != LINE_END
        return True

    def _scan_line(self, received: bytes | bytearray) -> bool:
        """Scan the line of a chunk's size or of a trailer; return whether it has arrived."""
        end = received.find(LINE_END, self._next, self._next + MAX_LINE_BYTES)
        if end < 0:
            self.is_malformed = len(received) - self._next >= MAX_LINE_BYTES
            return False
        line = bytes(received[self._next : end])
        self._next = end + len(LINE_END)
        if self._in_trailers:
            self._end_or_trailer(line)
        else:
            self._begin_chunk(line)
        return True

    def _begin_chunk(self, line: bytes) -> None:
        found = SIZE_LINE.fullmatch(line)
        if found is None:
            self.is_malformed = True
            return
        size = int(found[1], 16)
        self._in_trailers = size == 0
        self._missing = size + len(LINE_END) if size else None

    def _end_or_trailer(self, line: bytes) -> None:
        if not line:
            self.end = self._next
        else:
            self.is_malformed = TRAILER.fullmatch(line) is None
