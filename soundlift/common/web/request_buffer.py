"""The beginning of a request as it arrives: its head, and its body if that is small."""

from __future__ import annotations

import re

MAX_HEAD_BYTES = 64 * 1024
SMALL_BODY_BYTES = 16 * 1024

END_OF_HEAD = b"\r\n\r\n"
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*\r\n", re.IGNORECASE)
EXPECTATION = re.compile(rb"\r\nexpect:", re.IGNORECASE)
BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")


class RequestBuffer:
    """The bytes of one request received so far.

    It is complete when a thread can process the request without waiting for its client. A body of more than
    SMALL_BODY_BYTES, or of unknown length, is left to the thread.
    """

    def __init__(self, received: bytes = b"") -> None:
        self._received = bytearray()
        self._needed: int | None = None  # bytes of head and small body, once the head has arrived
        self._is_malformed = False
        self.add(received)

    @property
    def received(self) -> bytes:
        """Return all bytes so far."""
        return bytes(self._received)

    @property
    def has_begun(self) -> bool:
        """Return whether anything has arrived."""
        return bool(self._received)

    @property
    def is_complete(self) -> bool:
        """Return whether the parser can read the request, or reject it, without further bytes."""
        return self._is_malformed or (self._needed is not None and len(self._received) >= self._needed)

    @property
    def is_too_large(self) -> bool:
        """Return whether the head has more than MAX_HEAD_BYTES."""
        return self._needed is None and len(self._received) > MAX_HEAD_BYTES

    def add(self, data: bytes) -> None:
        """Add bytes that have arrived; each byte is scanned once, however small the pieces."""
        known = len(self._received)
        self._received += data
        if self._needed is None:
            self._find_end_of_head(known)

    def _find_end_of_head(self, known: int) -> None:
        # One empty line before the request line is ignored (RFC 9112, section 2.2).
        first = 2 if self._received.startswith(b"\r\n") else 0
        end = self._received.find(END_OF_HEAD, max(first, known - len(END_OF_HEAD)))
        if end >= 0:
            body = end + len(END_OF_HEAD)
            self._needed = body + _small_body_length(bytes(self._received[: end + 2]))
        elif BARE_LINE_FEED.search(self._received, known):
            self._is_malformed = True


def _small_body_length(head: bytes) -> int:
    """Return how many bytes of the body to wait for: none after Expect, since the client waits for a response first."""
    found = CONTENT_LENGTH.search(head)
    length = int(found[1]) if found and not EXPECTATION.search(head) else 0
    return length if length <= SMALL_BODY_BYTES else 0
