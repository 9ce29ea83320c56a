"""Reads the parts of a multipart form as they arrive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from werkzeug.sansio.multipart import Data, Epilogue, Event, File, MultipartDecoder, NeedData

from soundlift.common.errors import BadRequest

MOST_PARTS = 100
MOST_HELD = 2 * 2**20  # bytes that the decoder may hold: a block, and what it kept of the block before


class FormReader:
    """Yields the events of Werkzeug's decoder, but keeps from it what can be nothing but a file's own bytes.

    The decoder copies each byte four times, which takes longer than to receive and to store it. And it never sees a
    boundary of which a byte has not arrived yet: then it would take the line break before it for the file's.
    """

    def __init__(self, boundary: str) -> None:
        if not boundary:
            raise BadRequest("The multipart body is broken: its type names no boundary.")
        self._marker = b"--" + boundary.encode()
        self._decoder = MultipartDecoder(boundary.encode(), MOST_HELD, max_parts=MOST_PARTS)
        self._kept = b""
        self._in_file = False

    def parts_of(self, stream: IO[bytes], block: int) -> Iterator[Event]:
        """Yield the head of each part, a File or a Field, and its Data, reading so many bytes at a time.

        Raises BadRequest where the form is broken or cut off, RequestEntityTooLarge where it has too many parts.
        """
        try:
            while received := stream.read(block):
                yield from self._take(self._kept + received)
            yield from self._decode(self._kept)
            yield from self._decode(None)
        except ValueError as error:
            raise BadRequest(f"The multipart body is broken: {error}.") from None

    def _take(self, data: bytes) -> Iterator[Event]:
        end = self._end_of_sure(data)
        sure, self._kept = data[:end], data[end:]
        if self._in_file and not self._decoder.buffer and self._marker not in sure:
            yield Data(sure, more_data=True)
        else:
            yield from self._decode(sure)

    def _end_of_sure(self, data: bytes) -> int:
        """Return where a last line begins that may be a boundary, not all of which is there."""
        tail = max(0, len(data) - len(b"\r\n" + self._marker + b"--"))
        last = max(data.rfind(b"\r", tail), data.rfind(b"\n", tail))
        line = data[last + 1 :]
        if last < 0 or not (self._marker.startswith(line) or line.startswith(self._marker)):
            return len(data)
        return last - (data[last - 1 : last + 1] == b"\r\n")

    def _decode(self, data: bytes | None) -> Iterator[Event]:
        self._decoder.receive_data(data)
        while not isinstance(event := self._decoder.next_event(), NeedData | Epilogue):
            if not isinstance(event, Data):
                self._in_file = isinstance(event, File)
            yield event
