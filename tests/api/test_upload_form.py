"""upload: the parser of forms, for any split of the bytes into blocks."""

from __future__ import annotations

import io
from urllib.parse import quote

import pytest
from werkzeug.exceptions import RequestEntityTooLarge

from functions.upload.form import (
    MALFORMED,
    MAX_HEADER_BYTES,
    MAX_HEADERS,
    MAX_OVERHEAD,
    MAX_PARTS,
    Field,
    FileHeader,
    FormReader,
)
from soundlift.common.errors import BadRequest
from soundlift.common.file_names import MAX_PATH_LENGTH

BOUNDARY = "a frontier"
TRICKY = [
    b"",
    b"\r",
    b"\r\n",
    b"\r\n--",
    b"\r\n--a frontie",
    b"\n--a frontie",
    b"--a frontier",
    b"\r\n\r\n--a fron\r\n--a frontie",
]


def _form(*parts: tuple[str, bytes]) -> bytes:
    heads = (f"--{BOUNDARY}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() for head, _ in parts)
    bodies = (content + b"\r\n" for _, content in parts)
    return b"".join(head + body for head, body in zip(heads, bodies, strict=True)) + f"--{BOUNDARY}--\r\n".encode()


def _read(form: bytes, block: int) -> list[tuple[str | None, bytes]]:
    """Return the parts of a form: the name of each field, or None for a file, and the content."""
    parts: list[tuple[str | None, bytes]] = []
    for item in FormReader(io.BytesIO(form), BOUNDARY, block):
        match item:
            case FileHeader():
                parts.append((None, b""))
            case Field():
                parts.append((item.name, item.value))
            case _:
                parts[-1] = (None, parts[-1][1] + item)
    return parts


@pytest.mark.parametrize("tricky", TRICKY)
def test_parts_of_a_boundary_are_read_unchanged_in_blocks_of_any_size(tricky: bytes) -> None:
    content = b"begin" + tricky + bytes(37) + tricky
    form = _form(('name="a"', b"first" + tricky), ('name="f"; filename="f.mp4"', content), ('name="z"', b"last"))
    for block in (*range(1, 150), 2**20):
        assert _read(form, block) == [("a", b"first" + tricky), (None, content), ("z", b"last")]


@pytest.mark.parametrize("missing", range(1, 40))
def test_a_truncated_form_is_rejected(missing: int) -> None:
    form = _form(('name="f"; filename="f.mp4"', b"content\r\n--a front"))
    for block in (1, 7, 2**20):
        with pytest.raises(BadRequest):
            _read(form[: -len("\r\n") - missing], block)


@pytest.mark.parametrize("suffix", [b" and more", b"-", b"\n", b"\r\r"])
def test_a_boundary_with_a_suffix_is_malformed(suffix: bytes) -> None:
    form = _form(('name="f"; filename="f.mp4"', b"content\r\n--a frontier" + suffix + b"content"))
    for block in (1, 7, 2**20):
        with pytest.raises(BadRequest):
            _read(form, block)


def _head(parameters: str, *headers: str) -> bytes:
    lines = [f"--{BOUNDARY}", f"Content-Disposition: form-data{parameters}", *headers, "", ""]
    return "\r\n".join(lines).encode()


ENDLESS = {
    "preamble": b"preamble ",
    "header": _head('; name="a"', "A: ")[:-4],
    "field": _head('; name="a"'),
    "epilogue": _form(('name="f"; filename="f.mp4"', b"content")),
}


@pytest.mark.parametrize("line", [b"x" * 1024, b"x" * 1022 + b"\r\n"])
@pytest.mark.parametrize("place", ENDLESS)
def test_overhead_is_limited_and_not_read_to_its_end(place: str, line: bytes) -> None:
    stream, block = io.BytesIO(ENDLESS[place] + line * 8 * 2**10), 2**16
    with pytest.raises((RequestEntityTooLarge, BadRequest)):
        list(FormReader(stream, BOUNDARY, block))
    assert stream.tell() <= MAX_OVERHEAD + block


def test_a_large_file_is_not_counted_as_overhead() -> None:
    content = b"x" * (3 * MAX_OVERHEAD)
    assert _read(_form(('name="f"; filename="f.mp4"', content)), 2**16) == [(None, content)]


@pytest.mark.parametrize(
    ("headers", "rejected"),
    [
        ([f"A: {'x' * (MAX_HEADER_BYTES - 3)}"], False),
        ([f"A: {'x' * (MAX_HEADER_BYTES - 2)}"], True),
        (["A: x"] * (MAX_HEADERS - 1), False),
        (["A: x"] * MAX_HEADERS, True),
    ],
)
def test_the_size_and_the_number_of_a_part_s_headers_are_limited(headers: list[str], rejected: bool) -> None:
    form = _head('; name="a"', *headers) + b"value" + f"\r\n--{BOUNDARY}--\r\n".encode()
    if rejected:
        with pytest.raises(RequestEntityTooLarge, match=f"{MAX_HEADERS} headers .* {MAX_HEADER_BYTES} bytes"):
            _read(form, 2**16)
    else:
        assert _read(form, 2**16) == [("a", b"value")]


@pytest.mark.parametrize("character", ["a", "🎵"])
@pytest.mark.parametrize("notation", ['filename="{}"', "filename*=UTF-8''{}"])
def test_a_path_of_the_maximum_length_is_read_in_every_notation(notation: str, character: str) -> None:
    path = character * MAX_PATH_LENGTH
    parameter = notation.format(quote(path) if "*" in notation else path)
    assert next(iter(FormReader(io.BytesIO(_form((parameter, b""))), BOUNDARY, 2**16))) == FileHeader(path, None)


FILE_HEADER = b'Content-Disposition: form-data; name="f"; filename="a"'
NO_VALID_FORM = [
    (b"\r\n", b"Content-Disposition: attachment; filename=a"),
    (b"\r\n", b"Content-Type: video/mp4"),
    (b"\r\n", FILE_HEADER + b"\r\nContent-Length: 1"),
    (b"\r\n", FILE_HEADER + b"\r\nContent-Length: x"),
    (b"\r\n", FILE_HEADER + b"\r\nContent-Length"),
    (b"\n", FILE_HEADER),
]


@pytest.mark.parametrize(("line_break", "header"), NO_VALID_FORM)
def test_every_malformed_form_is_described_by_the_same_sentence(line_break: bytes, header: bytes) -> None:
    lines = [f"--{BOUNDARY}".encode(), header, b"", b"content", f"--{BOUNDARY}--".encode(), b""]
    with pytest.raises(BadRequest) as raised:
        _read(line_break.join(lines), 2**16)
    assert raised.value.detail == MALFORMED


def test_a_header_that_is_not_utf_8_is_described_without_its_bytes() -> None:
    form = _form(("name=f; filename=a.mp4", b"content")).replace(b"a.mp4", b"\xff.mp4")
    with pytest.raises(BadRequest) as raised:
        _read(form, 2**16)
    assert raised.value.detail == "A part's header is not UTF-8."


@pytest.mark.parametrize("boundary", ["", "x" * 71, "x ", " ", "x\r\ny", "x;y", "é", "\0"])
def test_a_form_without_a_valid_boundary_is_rejected(boundary: str) -> None:
    form = f"--{boundary}\r\n{FILE_HEADER.decode()}\r\n\r\ncontent\r\n--{boundary}--\r\n".encode()
    with pytest.raises(BadRequest, match="no valid boundary"):
        list(FormReader(io.BytesIO(form), boundary, 2**16))


@pytest.mark.parametrize("boundary", ["x" * 70, "'()+_,-./:=?", "a b", "-"])
def test_every_boundary_of_the_standard_is_accepted(boundary: str) -> None:
    form = f"--{boundary}\r\n{FILE_HEADER.decode()}\r\n\r\ncontent\r\n--{boundary}--\r\n".encode()
    assert list(FormReader(io.BytesIO(form), boundary, 2**16)) == [FileHeader("a", None), b"content"]


@pytest.mark.parametrize(("count", "rejected"), [(MAX_PARTS, False), (MAX_PARTS + 1, True)])
def test_a_form_may_have_at_most_a_hundred_parts(count: int, rejected: bool) -> None:
    form = _form(*[('name="a"', b"")] * count)
    if rejected:
        with pytest.raises(RequestEntityTooLarge):
            _read(form, 2**20)
    else:
        assert _read(form, 2**20) == [("a", b"")] * count


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ('name="f"; filename="a b.mp4"', "a b.mp4"),
        ("name=f; filename=a.mp4", "a.mp4"),
        ('name="f"; filename="Ünïcode.mp4"', "Ünïcode.mp4"),
        ("name=\"f\"; filename*=UTF-8''%C3%9Cn%C3%AFcode.mp4", "Ünïcode.mp4"),
        ('filename="a.mp4"', "a.mp4"),
        ('name="f"; filename=""', ""),
    ],
)
def test_a_file_name_is_read_in_every_notation(parameters: str, name: str) -> None:
    form = _form((parameters, b"content"))
    assert list(FormReader(io.BytesIO(form), BOUNDARY, 2**16)) == [FileHeader(name, None), b"content"]
