"""Unreadable bodies and unusable JSON: both are client errors."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from io import BytesIO
from typing import IO, Any, cast

import pytest
from gunicorn.http.errors import ChunkMissingTerminator, InvalidChunkSize

from soundlift.common.errors import BadRequest
from soundlift.common.json_text import check_text, read_json
from soundlift.common.web.function_request import MAX_LENGTH_DIGITS, RequestBody

DEEP = "[" * 100_000 + "]" * 100_000


def test_a_body_is_read_in_pieces_of_any_size_up_to_its_length() -> None:
    body = RequestBody(BytesIO(b"abcde"), "5")
    assert [body.read(0), body.read(2), body.read(0), body.read(9), body.read(1), body.read()] == [
        *(b"", b"ab", b"", b"cde", b"", b"")
    ]
    assert RequestBody(BytesIO(b"abcde"), "5").read() == b"abcde"


def test_a_body_that_ends_early_is_rejected_at_its_end() -> None:
    with pytest.raises(BadRequest, match="shorter than its Content-Length"):
        RequestBody(BytesIO(b"abcd"), "5").read()
    body = RequestBody(BytesIO(b"abcd"), "5")
    assert [body.read(9), body.read(0)] == [b"abcd", b""]
    with pytest.raises(BadRequest, match="shorter than its Content-Length"):
        body.read(1)


@pytest.mark.parametrize("length", ["", "0", "many", "-1", "٣", "²", "9" * (MAX_LENGTH_DIGITS + 1)])
def test_a_body_without_a_valid_length_is_read_to_its_end(length: str) -> None:
    assert RequestBody(BytesIO(b"a"), length).read() == b"a"


def test_a_content_length_with_the_maximum_of_digits_is_valid() -> None:
    with pytest.raises(BadRequest):
        RequestBody(BytesIO(b"a"), "9" * MAX_LENGTH_DIGITS).read()


@pytest.mark.parametrize(
    "error", [OSError("gone"), ValueError("bad"), InvalidChunkSize(b"x"), ChunkMissingTerminator(b"x")]
)
def test_an_unreadable_body_is_rejected_with_its_cause(error: Exception) -> None:
    class Broken:
        def read(self, size: int) -> bytes:
            raise error

    with pytest.raises(BadRequest) as error_info:
        RequestBody(cast(IO[bytes], Broken()), "1").read(1)
    assert error_info.value.evidence == {"cause": str(error)}


@pytest.mark.parametrize("document", [None, 1.5, "Ünïcode 🎵", {"a": [True, {"b": ""}]}])
def test_json_is_read(document: Any) -> None:
    for text in (json.dumps(document), json.dumps(document, ensure_ascii=False)):
        assert read_json(text) == read_json(text.encode()) == document


@pytest.mark.parametrize(
    "text",
    ["", "{", "NaN", "[Infinity]", "-Infinity", '"\\ud800"', '{"\\udfff": 1}', b"\xff", pytest.param(DEEP, id="deep")],
)
def test_unusable_json_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_json(text)


def test_an_already_parsed_document_is_checked_like_json_text() -> None:
    check_text({"time": datetime.now(UTC), "text": "🎵"})
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    for document in ({"text": "\ud800"}, nested):
        with pytest.raises(ValueError, match=r".+"):
            check_text(document)
    while nested:
        nested = nested.pop()
