"""The duration that a media header declares, and the chunks that tests build headers from."""

from __future__ import annotations

import io
import struct

from functions.convert.probe.declared_duration import DeclaredDuration, declared_duration

NOT_CREDIBLE = DeclaredDuration(credible=False)
DATA_BYTES = 40_000


def read_declared(content: bytes, size: int | None = None) -> DeclaredDuration:
    """Return what a file declares; the initial position in the file does not matter."""
    file = io.BytesIO(content)
    file.seek(len(content) // 2)
    return declared_duration(file, len(content) if size is None else size)


def make_chunk(kind: bytes, body: bytes, size: int | None = None, order: str = "<") -> bytes:
    """Return a chunk of RIFF, or of FORM if the byte order is ">", padded to an even length."""
    return struct.pack(f"{order}4sI", kind, len(body) if size is None else size) + body + bytes(len(body) % 2)
