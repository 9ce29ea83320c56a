"""Files written to and read from a media store under test."""

from __future__ import annotations

from soundlift.common.media import MediaInfo, MediaStore, MediaWriter, new_media_id

CHUNK = 255 * 1024  # of GridFS; other stores split files elsewhere, or not at all
BEYOND_ALL_BUFFERS = 10 * 2**20
INFO = MediaInfo(owner="ada@example.org", file_name="a.mp4", content_type="video/mp4", job_id="1" * 24)


def write_file(store: MediaStore, *chunks: bytes, fid: str | None = None) -> str:
    """Write and commit a file, and return its id."""
    fid = fid or new_media_id()
    writer = store.create(fid, INFO)
    for chunk in chunks:
        assert writer.write(chunk) == len(chunk)
    assert writer.commit() == sum(map(len, chunks))
    return fid


def write_past_buffers(writer: MediaWriter) -> None:
    """Write more than any store buffers, and commit."""
    for _ in range(BEYOND_ALL_BUFFERS // CHUNK):
        writer.write(bytes(CHUNK))
    writer.commit()


def read_file(store: MediaStore, fid: str) -> bytes:
    """Return the content of a file."""
    reader = store.open(fid)
    with reader.file as file:
        content = file.read()
    assert reader.size == len(content)
    return content
