"""upload: a form's parts arrive as they were sent, wherever its blocks begin and end."""

from __future__ import annotations

import io

import pytest
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Field, File

from functions.upload.form import MOST_HELD, MOST_PARTS, FormReader
from soundlift.common.errors import BadRequest

BOUNDARY = "a frontier"
ODD = [
    b"",
    b"\r",
    b"\r\n",
    b"\r\n--",
    b"\r\n--a frontie",
    b"\n--a frontie",
    b"--a frontier",
    b"\r\n--a frontier and more",
    b"\r\n\r\n--a fron\r\n--a frontie",
]


def _form(*parts: tuple[str, bytes]) -> bytes:
    heads = (f"--{BOUNDARY}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() for head, _ in parts)
    bodies = (content + b"\r\n" for _, content in parts)
    return b"".join(head + body for head, body in zip(heads, bodies, strict=True)) + f"--{BOUNDARY}--\r\n".encode()


def _read(form: bytes, block: int) -> list[tuple[str | None, bytes]]:
    """Return the parts of a form: a name for each field, None for a file, and the content."""
    parts: list[tuple[str | None, bytes]] = []
    for event in FormReader(BOUNDARY).parts_of(io.BytesIO(form), block):
        match event:
            case File():
                parts.append((None, b""))
            case Field():
                parts.append((event.name, b""))
            case Data():
                name, content = parts[-1]
                parts[-1] = (name, content + event.data)
    return parts


@pytest.mark.parametrize("odd", ODD)
def test_a_file_is_what_was_sent_whatever_looks_like_a_boundary_and_in_whichever_blocks(odd: bytes) -> None:
    content = b"begin" + odd + bytes(37) + odd
    form = _form(('name="a"', b"first" + odd), ('name="f"; filename="f.mp4"', content), ('name="z"', b"last"))
    for block in (*range(1, 150), 2**20):
        assert _read(form, block) == [("a", b"first" + odd), (None, content), ("z", b"last")]


@pytest.mark.parametrize("lost", range(1, 40))
def test_a_form_without_its_end_is_broken(lost: int) -> None:
    form = _form(('name="f"; filename="f.mp4"', b"content\r\n--a front"))
    for block in (1, 7, 2**20):
        with pytest.raises(BadRequest):
            _read(form[: -len("\r\n") - lost], block)


@pytest.mark.parametrize("end_of_line", [b"", b"\n"])
@pytest.mark.parametrize("head", [b"", b"--a frontier", b"\n--a frontier", b"--a frontier\r\nA: "])
def test_what_comes_before_a_part_may_not_be_large_and_is_not_read_to_its_end(head: bytes, end_of_line: bytes) -> None:
    stream, block = io.BytesIO(head + (b"x" * 1023 + (end_of_line or b"x")) * 8 * 2**10), 2**20
    with pytest.raises(RequestEntityTooLarge):
        list(FormReader(BOUNDARY).parts_of(stream, block))
    assert stream.tell() <= MOST_HELD + block


@pytest.mark.parametrize(("count", "refused"), [(MOST_PARTS, False), (MOST_PARTS + 1, True)])
def test_a_form_has_a_hundred_parts_at_most(count: int, refused: bool) -> None:
    form = _form(*[('name="a"', b"")] * count)
    if refused:
        with pytest.raises(RequestEntityTooLarge):
            _read(form, 2**20)
    else:
        assert len(_read(form, 2**20)) == count
