"""A large file is sent in parts, whose errors are repeated, but not for ever."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from soundlift.client import ApiError, Client
from soundlift.client.uploads import MAX_SENT_TRIES
from tests.client.part_server import PartServer, Refusal

PART = 2**20
VIDEO = bytes(range(256)) * 4096 * 6  # six parts

pytestmark = pytest.mark.usefixtures("_no_pause")


@pytest.fixture
def server() -> Iterator[PartServer]:
    with PartServer().running() as server:
        yield server


def _upload(server: PartServer, *, part_bytes: int = PART, retry_seconds: float = float("inf")) -> None:
    with Client(server.url, token="any", part_bytes=part_bytes, retry_seconds=retry_seconds) as client:
        assert client.upload(io.BytesIO(VIDEO), "a.mp4").id == "1"


def test_a_file_larger_than_a_part_is_sent_in_parts(server: PartServer) -> None:
    _upload(server)
    assert server.received == VIDEO
    assert server.parts == [PART] * 6
    assert server.requests == [
        "OPTIONS /upload/files",
        "POST /upload/files",
        *["PATCH /upload/files/1"] * 6,
        "GET /upload",
    ]


def test_a_file_of_one_part_is_sent_at_once(server: PartServer) -> None:
    _upload(server, part_bytes=len(VIDEO))
    assert server.requests == ["POST /upload"]


@pytest.mark.parametrize("begin", [404, 405, 501])
def test_a_server_that_does_not_know_parts_gets_the_file_at_once(server: PartServer, begin: int) -> None:
    server.behaviour.begin = begin
    with Client(server.url, token="any", part_bytes=PART) as client:
        for _ in range(2):
            assert client.upload(io.BytesIO(VIDEO)).id == "1"
    assert server.requests == ["OPTIONS /upload/files", "POST /upload/files", "POST /upload", "POST /upload"]


def test_a_server_that_does_not_offer_parts_is_asked_once(server: PartServer) -> None:
    server.behaviour.offer = {"Allow": "GET, POST"}
    with Client(server.url, token="any", part_bytes=PART) as client:
        for _ in range(2):
            assert client.upload(io.BytesIO(VIDEO)).id == "1"
    assert server.requests == ["OPTIONS /upload/files", "POST /upload", "POST /upload"]


@pytest.mark.parametrize("status", [409, 429, 502, 503, 504])
def test_after_an_error_a_part_continues_where_the_server_is(server: PartServer, status: int) -> None:
    server.behaviour.refusals = [Refusal(status, kept=1000), Refusal(status)]
    _upload(server)
    assert server.received == VIDEO
    assert server.requests.count("HEAD /upload/files/1") == 2


def test_an_upload_whose_every_part_ends_in_an_error_ends_although_bytes_arrive(server: PartServer) -> None:
    server.behaviour.always = Refusal(502, kept=1000)
    with pytest.raises(ApiError) as failure:
        _upload(server)
    assert failure.value.status == 502
    assert len(server.parts) == MAX_SENT_TRIES
    assert server.received == VIDEO[: 1000 * MAX_SENT_TRIES]


def test_only_errors_in_a_row_end_an_upload(server: PartServer) -> None:
    errors: list[Refusal | None] = [Refusal(502)] * (MAX_SENT_TRIES - 1)
    server.behaviour.refusals = [*errors, None, *errors]
    _upload(server)
    assert server.received == VIDEO


def test_parts_become_smaller_until_a_proxy_lets_them_through(server: PartServer) -> None:
    server.behaviour.largest_part = PART
    _upload(server, part_bytes=4 * PART)
    assert server.received == VIDEO
    assert server.parts[:3] == [4 * PART, 2 * PART, PART]


def test_a_refusal_by_the_server_is_not_repeated(server: PartServer) -> None:
    server.behaviour.always = Refusal(415, body=b'{"code": "unsupported_media", "detail": "This is not a media file."}')
    with pytest.raises(ApiError, match=r"This is not a media file\."):
        _upload(server)
    assert len(server.parts) == 1


def test_an_upload_that_the_server_has_forgotten_begins_anew(server: PartServer) -> None:
    server.behaviour.refusals = [Refusal(404)]
    _upload(server)
    assert server.received == VIDEO
    assert server.uploads == 2


def test_a_server_that_forgets_each_upload_does_not_get_it_for_ever(server: PartServer) -> None:
    server.behaviour.always = Refusal(404)
    with pytest.raises(ApiError):
        _upload(server)
    assert server.uploads == 3


def test_an_access_token_that_expires_on_the_way_is_replaced(server: PartServer) -> None:
    server.behaviour.tokens = {"first"}
    seen: list[str | None] = []

    def token(refused: str | None) -> str:
        seen.append(refused)
        return "second" if refused == "first" else "first"

    def expire(done: int, total: int | None) -> None:
        if done == 3 * PART:
            server.behaviour.tokens = {"second"}

    with Client(server.url, token_source=token, part_bytes=PART) as client:
        assert client.upload(io.BytesIO(VIDEO), on_progress=expire).id == "1"
    assert server.received == VIDEO
    assert seen == [None, "first"]
