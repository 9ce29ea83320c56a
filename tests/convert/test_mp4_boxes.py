"""The search for protected sound in an MP4 finds it, and terminates for any file."""

from __future__ import annotations

import io

import pytest

from functions.convert.probe.mp4_boxes import MAX_TOP_LEVEL_BOXES, has_protected_sound


def _box(kind: bytes, content: bytes = b"") -> bytes:
    return (8 + len(content)).to_bytes(4) + kind + content


def _track(entry: bytes) -> bytes:
    box = _box(b"stsd", bytes(7) + b"\1" + _box(entry, bytes(28)))
    for kind in (b"stbl", b"minf", b"mdia", b"trak"):
        box = _box(kind, box)
    return box


def _is_protected(content: bytes) -> bool:
    return has_protected_sound(io.BytesIO(content), len(content))


@pytest.mark.parametrize(("entry", "protected"), [(b"mp4a", False), (b"encv", False), (b"enca", True), (b"drms", True)])
def test_a_protected_track_is_found_among_others(entry: bytes, protected: bool) -> None:
    movie = _box(b"moov", _track(b"avc1") + _track(b"mp4a") + _track(entry))
    assert _is_protected(_box(b"ftyp", b"isom") + movie) is protected
    long_form = (1).to_bytes(4) + b"mdat" + (16 + 5).to_bytes(8) + b"media"
    assert _is_protected(long_form + movie) is protected
    assert _is_protected(bytes(4) + movie[4:]) is protected  # length 0: to the end of the file


@pytest.mark.parametrize("content", [b"", b"\0\0\0\1moov", b"\0\0\0\4moov", bytes(100), b"\xff" * 100])
def test_a_box_of_impossible_length_ends_the_search(content: bytes) -> None:
    assert _is_protected(content) is False


class _Counting(io.BytesIO):
    """A file that counts its reads, each of which may be a request to a media store."""

    reads = 0

    def read(self, size: int | None = -1) -> bytes:
        self.reads += 1
        return super().read(size)


@pytest.mark.parametrize(
    "content",
    [
        _box(b"moov", _box(b"trak", _box(b"mdia") * 100) * 100) * 5,
        _box(b"mdat") * 1000,
        (_box(b"moof") + _box(b"mdat")) * 1000,
        _box(b"moov", _track(b"mp4a") * 1000),
    ],
)
def test_many_boxes_do_not_prolong_the_search(content: bytes) -> None:
    file = _Counting(content)
    assert has_protected_sound(file, len(content)) is False
    assert file.reads <= MAX_TOP_LEVEL_BOXES + 2


@pytest.mark.parametrize(("before", "found"), [(MAX_TOP_LEVEL_BOXES - 1, True), (MAX_TOP_LEVEL_BOXES, False)])
def test_the_index_is_found_after_a_limited_number_of_boxes(before: int, found: bool) -> None:
    assert _is_protected(_box(b"mdat") * before + _box(b"moov", _track(b"enca"))) is found
