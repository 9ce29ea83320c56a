"""upload: forms with one file, none, or several, and malformed forms."""

from __future__ import annotations

import io

import pytest

from soundlift.common.services import Services
from tests.api.uploads import build_form, read_stored, traces
from tests.factories.accounts import bearer
from tests.factories.jobs import MP4
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call

FRAMES = (b"\xff\xfb\x90\x64" + bytes(413)) * 5  # MPEG audio


@pytest.mark.parametrize("ending", [b"\r", b"\n", b"\r\n", b"\r\n--", b"\r\n--frontie"])
def test_a_file_that_contains_parts_of_a_boundary_is_stored_unchanged(
    function: Call, services: Services, ending: bytes
) -> None:
    content = MP4 + b"".join(bytes([number % 256]) * (65_000 + number) + ending for number in range(0, 880, 7))
    head = b'--frontier\r\nContent-Disposition: form-data; name="f"; filename="a.mp4"\r\n\r\n'
    response = function("upload").post(
        "/",
        data=head + content + b"\r\n--frontier--\r\n",
        content_type="multipart/form-data; boundary=frontier",
        headers=bearer(services),
    )
    assert response.status_code == 202, response.text
    assert read_stored(services, response.json["video_fid"]) == content


@pytest.mark.parametrize("boundary", ["boundary", "my-boundary"])
def test_a_boundary_may_contain_the_name_of_its_parameter(function: Call, services: Services, boundary: str) -> None:
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="f"; filename="a.mp4"\r\n\r\n'
    body = head.encode() + MP4 + f"\r\n--{boundary}--\r\n".encode()
    form_type = f"multipart/form-data; boundary={boundary}"
    response = function("upload").post("/", data=body, content_type=form_type, headers=bearer(services))
    assert response.status_code == 202, response.text


def test_a_large_field_is_rejected(function: Call, services: Services) -> None:
    body = b'--frontier\r\nContent-Disposition: form-data; name="comment"\r\n\r\n' + b"x" * 2**21
    form_type = "multipart/form-data; boundary=frontier"
    response = function("upload").post("/", data=body, content_type=form_type, headers=bearer(services))
    assert_problem(response, 413)
    assert traces(services) == []


@pytest.mark.parametrize("form", [{}, {"comment": "no file"}, {"file": (io.BytesIO(b""), "", "video/mp4")}])
def test_a_form_without_a_file_is_rejected(function: Call, services: Services, form: dict[str, object]) -> None:
    response = function("upload").post("/", data=form, headers=bearer(services), content_type="multipart/form-data")
    assert_problem(response, 400)
    assert traces(services) == []


def test_a_form_with_two_files_is_rejected_and_the_first_is_deleted(function: Call, services: Services) -> None:
    form = {"a": (io.BytesIO(MP4), "a.mp4"), "b": (io.BytesIO(MP4), "b.mp4")}
    assert_problem(function("upload").post("/", data=form, headers=bearer(services)), 400)
    assert traces(services) == []


def test_an_empty_file_is_rejected(function: Call, services: Services) -> None:
    assert_problem(function("upload").post("/", data=b"", headers=bearer(services)), 400)
    form = {"file": (io.BytesIO(b""), "a.mp4")}
    assert_problem(function("upload").post("/", data=form, headers=bearer(services)), 400)
    assert traces(services) == []


@pytest.mark.parametrize("content_type", [f"multipart/form-data{end}" for end in ("", '; boundary=""', "; boundary=x")])
def test_a_malformed_form_is_rejected(function: Call, services: Services, content_type: str) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.mp4"\r\n\r\n' + MP4
    response = function("upload").post("/", data=body, content_type=content_type, headers=bearer(services))
    assert_problem(response, 400)
    assert traces(services) == []


def test_a_form_with_an_empty_boundary_is_rejected(function: Call, services: Services) -> None:
    body = b'--\r\nContent-Disposition: form-data; name="f"; filename="a.mp4"\r\n\r\n' + MP4 + b"\r\n----\r\n"
    form_type = 'multipart/form-data; boundary=""'
    response = function("upload").post("/", data=body, content_type=form_type, headers=bearer(services))
    assert_problem(response, 400)
    assert traces(services) == []


@pytest.mark.parametrize("kind", ["mixed", "related", "x"])
def test_a_multipart_body_that_is_not_a_form_is_rejected(function: Call, services: Services, kind: str) -> None:
    content_type = f"multipart/{kind}; boundary=x"
    for content in (MP4, FRAMES):
        response = function("upload").post(
            "/", data=build_form(content), content_type=content_type, headers=bearer(services)
        )
        assert_problem(response, 415)
        assert "multipart/form-data" in response.json["detail"]
    assert traces(services) == []
