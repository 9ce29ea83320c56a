"""Fixed-size records and chunk headers, read from a file at any offset."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

MAX_CHUNKS = 100


class NotCredible(Exception):
    """A header contradicts itself, or contains placeholders."""


@dataclass(frozen=True)
class RecordReader:
    """A reader of single records in a file of `size` bytes."""

    file: BinaryIO
    size: int

    def record(self, at: int, kind: struct.Struct) -> tuple[Any, ...] | None:
        """Return the record at an offset, or None if it extends beyond the end of the file."""
        if not 0 <= at <= self.size - kind.size:
            return None
        self.file.seek(at)
        data = self.file.read(kind.size)
        return kind.unpack(data) if len(data) == kind.size else None

    def chunks(self, at: int, header: struct.Struct, *, padded: bool, counted: int = 0) -> Iterator[tuple[Any, ...]]:
        """Yield the kind of each chunk, and the offset and size of its contents.

        The size that a chunk declares includes `counted` bytes of its header.
        """
        for _ in range(MAX_CHUNKS):
            found = self.record(at, header)
            if found is None:
                return
            kind, size = found[0], found[1] - counted
            body = at + header.size
            yield kind, body, size
            at = body + size + (size % 2 if padded else 0)
            if size < 0:
                return
