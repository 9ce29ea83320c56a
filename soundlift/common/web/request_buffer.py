"""The beginning of a request as it arrives: its head, and its body if that is small."""

from __future__ import annotations

import re
from http import HTTPStatus

from soundlift.common.web.chunk_scanner import ChunkScanner

MAX_HEAD_BYTES = 64 * 1024
SMALL_BODY_BYTES = 16 * 1024
MAX_CHUNKED_BYTES = 128 * 1024  # of the chunks of a small body: enough for chunks of one byte each

END_OF_HEAD = b"\r\n\r\n"
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*\r\n", re.IGNORECASE)
TRANSFER_ENCODING = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*(?:[^\r\n]{0,100},[ \t]*)?chunked[ \t]*\r\n", re.IGNORECASE)
ANY_LENGTH = re.compile(rb"\r\ncontent-length:", re.IGNORECASE)
EXPECTATION = re.compile(rb"\r\nexpect:[ \t]*([^\r\n]*)", re.IGNORECASE)
CONTINUE = b"100-continue"
HTTP_1_0 = re.compile(rb"[^\r\n]* HTTP/1\.0\r\n")  # whose clients do not wait (RFC 9110, section 10.1.1)
NO_METHOD = re.compile(rb"[^!-~\r]|\r[^\n]|(?<=\n)\r")  # such as the first byte of TLS
BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")


class RequestBuffer:
    """The bytes of one request received so far.

    It is complete when a thread can process the request without waiting for its client. A body of more than
    SMALL_BODY_BYTES is left to the thread: all of it if the head announces its length, or what follows these bytes.
    """

    def __init__(self, received: bytes = b"") -> None:
        self.must_continue = False  # the client waits for "100 Continue" before it sends its small body
        self._received = bytearray()
        self._head_bytes = 0  # once the head has arrived
        self._needed = 0  # bytes of head and small body of known length
        self._chunks: ChunkScanner | None = None
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
    def has_head(self) -> bool:
        """Return whether the head has arrived."""
        return bool(self._head_bytes)

    @property
    def is_complete(self) -> bool:
        """Return whether the parser can read the request without further bytes."""
        if not self._head_bytes or self.rejection:
            return False
        if self._chunks:
            return self._chunks.end is not None or self._chunks.content_bytes > SMALL_BODY_BYTES
        return len(self._received) >= self._needed

    @property
    def rejection(self) -> HTTPStatus | None:
        """Return the status with which to reject the request, or None."""
        if self._is_malformed or (self._chunks and self._chunks.is_malformed):
            return HTTPStatus.BAD_REQUEST
        if not self._head_bytes:
            return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if len(self._received) > MAX_HEAD_BYTES else None
        if self._chunks and self._chunks.content_bytes <= SMALL_BODY_BYTES and self._chunks.end is None:
            return HTTPStatus.BAD_REQUEST if len(self._received) - self._head_bytes > MAX_CHUNKED_BYTES else None
        return None

    def add(self, data: bytes) -> None:
        """Add bytes that have arrived; each byte is scanned once, however small the pieces."""
        known = len(self._received)
        self._received += data
        if not self._head_bytes:
            self._find_end_of_head(known)
        if self._chunks:
            self._chunks.scan(self._received)

    def _find_end_of_head(self, known: int) -> None:
        # One empty line before the request line is ignored (RFC 9112, section 2.2).
        first = 2 if self._received.startswith(b"\r\n") else 0
        end = self._received.find(END_OF_HEAD, max(first, known - len(END_OF_HEAD)))
        if NO_METHOD.match(self._received, first):
            self._is_malformed = True
        elif end >= 0:
            self._read_head(end + len(END_OF_HEAD))
        elif BARE_LINE_FEED.search(self._received, known):
            self._is_malformed = True

    def _read_head(self, size: int) -> None:
        """Decide which part of the body to wait for; the parser rejects a contradictory head."""
        head = bytes(self._received[:size])
        expectations = {value.strip().lower() for value in EXPECTATION.findall(head)}
        length = _small_length(head)
        waits_for_body = expectations <= {CONTINUE} and (length is not None or _is_chunked(head))
        if waits_for_body and expectations and not HTTP_1_0.match(head):
            # The parser would meet the expectation in a thread, which would then wait for the body.
            head = EXPECTATION.sub(b"", head)
            self._received[:size] = head
            self.must_continue = True
        self._head_bytes = self._needed = len(head)
        if waits_for_body and length is not None:
            self._needed += length
        elif waits_for_body:
            self._chunks = ChunkScanner(len(head))


def _small_length(head: bytes) -> int | None:
    """Return the length of a small body, or None if it is large, chunked, contradictory or absent."""
    found = CONTENT_LENGTH.search(head)
    if not found or len(ANY_LENGTH.findall(head)) > 1 or TRANSFER_ENCODING.search(head):
        return None
    length = int(found[1])
    return length if length <= SMALL_BODY_BYTES else None


def _is_chunked(head: bytes) -> bool:
    return bool(CHUNKED.search(head)) and not ANY_LENGTH.search(head)
