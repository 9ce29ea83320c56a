"""The header and the chunks of a WAV file: RIFF, or RF64 (EBU Tech 3306) if it is too long for sizes of 32 bits.

FFmpeg reserves a chunk JUNK in the header of a RIFF, in the place of which a chunk ds64 has the sizes of an RF64.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO, Self

MAX_SIZE = 2**32 - 1  # also the value of a size in RF64 that is to be found in ds64
CHUNK = struct.Struct("<4sI")
FORM = struct.Struct("<4sI4s")
FORMAT = struct.Struct("<HHIIHH")
DS64 = struct.Struct("<QQQI")  # size of the file without CHUNK, size of the samples, samples per channel, further sizes
RESERVED = (b"JUNK", b"ds64")
MAX_HEADER_BYTES = 2**12


class NotWav(Exception):
    """The bytes are not a WAV file as FFmpeg writes it."""


@dataclass(frozen=True)
class WavHeader:
    """The bytes before the samples: `chunks` with their ids, except for the reserved one and that of the samples.

    `size` is the length of the header, and `data` that of the samples, in bytes.
    """

    chunks: tuple[tuple[bytes, bytes], ...]
    size: int
    data: int

    @classmethod
    def read(cls, file: BinaryIO) -> Self:
        """Return the header at the beginning of a file; raises NotWav."""
        try:
            return cls._parse(file.read(MAX_HEADER_BYTES))
        except struct.error:
            raise NotWav("an incomplete header") from None

    @classmethod
    def _parse(cls, header: bytes) -> Self:
        form, _, kind = FORM.unpack_from(header)
        if form not in (b"RIFF", b"RF64") or kind != b"WAVE":
            raise NotWav(header[: FORM.size].hex())
        chunks, at = [], FORM.size
        while True:
            name, size = CHUNK.unpack_from(header, at)
            at += CHUNK.size
            if name == b"data":
                break
            chunks.append((name, header[at : at + size]))
            at += size + size % 2
        reserved = [content for name, content in chunks if name in RESERVED]
        kept = tuple(chunk for chunk in chunks if chunk[0] not in RESERVED)
        if len(reserved) != 1 or len(reserved[0]) != DS64.size or not any(name == b"fmt " for name, _ in kept):
            raise NotWav("chunks are missing")
        data = DS64.unpack(reserved[0])[1] if form == b"RF64" else size
        return cls(kept, at, data)

    @property
    def _format(self) -> tuple[int, ...]:
        return FORMAT.unpack_from(dict(self.chunks)[b"fmt "])

    @property
    def samples(self) -> int:
        """Return the samples per channel."""
        return self.data // max(1, self._format[4])

    @property
    def seconds(self) -> float:
        """Return the length in seconds."""
        return self.samples / max(1, self._format[2])

    @property
    def end(self) -> int:
        """Return the position after the samples, and after the byte that makes their number even."""
        return self.size + self.data + self.data % 2

    def for_file(self, size: int) -> bytes:
        """Return the header for a file of `size` bytes, with as many bytes as this one."""
        content, reserved = size - CHUNK.size, bytes(DS64.size)
        chunks = b"".join(make_chunk(name, content) for name, content in self.chunks)
        if content <= MAX_SIZE:
            form, data = FORM.pack(b"RIFF", content, b"WAVE"), CHUNK.pack(b"data", self.data)
            return form + chunks + make_chunk(b"JUNK", reserved) + data
        sizes = make_chunk(b"ds64", DS64.pack(content, self.data, self.samples, 0))
        return FORM.pack(b"RF64", MAX_SIZE, b"WAVE") + sizes + chunks + CHUNK.pack(b"data", MAX_SIZE)


def make_chunk(name: bytes, content: bytes) -> bytes:
    """Return a chunk, with an even number of bytes."""
    return CHUNK.pack(name, len(content)) + content + bytes(len(content) % 2)
