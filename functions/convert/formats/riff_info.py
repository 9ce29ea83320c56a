"""Tags in the INFO list of a WAV file, in UTF-8.

Microsoft's Multimedia Programming Interface and Data Specifications 1.0, section "INFO List Chunk". It does not name an
encoding; FFmpeg, MediaInfo and others read and write UTF-8. It has no place for an album's artist or a composer.
"""

from __future__ import annotations

from collections.abc import Iterator

from .output_format import Tags
from .riff import make_chunk

NAMES = {
    "title": b"INAM",
    "artist": b"IART",
    "album": b"IPRD",
    "genre": b"IGNR",
    "date": b"ICRD",
    "track": b"ITRK",  # not registered, but common
    "comment": b"ICMT",
}
LANGUAGE, SOFTWARE = b"ILNG", b"ISFT"


def build_info_list(tags: Tags, software: str) -> bytes:
    """Return the chunk with the tags that an INFO list can hold, and the software that made the file."""
    texts = b"".join(make_chunk(name, f"{text}\0".encode()) for name, text in _texts(tags, software))
    return make_chunk(b"LIST", b"INFO" + texts)


def _texts(tags: Tags, software: str) -> Iterator[tuple[bytes, str]]:
    for name, text in tags.texts.items():
        if name in NAMES:
            yield NAMES[name], text
    if tags.language:
        yield LANGUAGE, tags.language
    yield SOFTWARE, software
