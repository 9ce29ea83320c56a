"""upload: the maximum sizes of a body and of its file."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from soundlift.common.services import Services
from tests.api.uploads import LARGE, read_stored, send, traces
from tests.factories.accounts import bearer
from tests.factories.jobs import MP4
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call


def test_a_body_with_too_large_a_content_length_is_not_read(function: Call, services: Services) -> None:
    services.settings = replace(services.settings, max_upload_bytes=1000)
    body = io.BytesIO(MP4)
    announced = {"CONTENT_LENGTH": str(10 * 2**20)}
    response = function("upload").post("/", input_stream=body, environ_overrides=announced, headers=bearer(services))
    assert_problem(response, 413)
    assert body.tell() == 0


@pytest.mark.parametrize("excess", [0, 1])
def test_a_form_may_be_a_megabyte_larger_than_its_file(function: Call, services: Services, excess: int) -> None:
    services.settings = replace(services.settings, max_upload_bytes=len(MP4))
    form = b'\r\n--x\r\nContent-Disposition: form-data; name="f"; filename="a.mp4"\r\n\r\n' + MP4 + b"\r\n--x--\r\n"
    body = io.BytesIO(b"preamble".ljust(2**20 + len(MP4) + excess - len(form)) + form)
    kind = "multipart/form-data; boundary=x"
    response = function("upload").post("/", input_stream=body, content_type=kind, headers=bearer(services))
    if excess:
        assert_problem(response, 413)
        assert body.tell() == 0
    else:
        assert response.status_code == 202, response.text


def test_a_body_that_turns_out_to_be_too_large_is_rejected_and_deleted(function: Call, services: Services) -> None:
    services.settings = replace(services.settings, max_upload_bytes=100_000)
    form = {"file": (io.BytesIO(MP4 + bytes(200_000)), "a.mp4")}
    assert_problem(function("upload").post("/", data=form, headers=bearer(services)), 413)
    assert_problem(function("upload").post("/", data=MP4 + bytes(200_000), headers=bearer(services)), 413)
    assert traces(services) == []


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("as_form", [False, True])
@pytest.mark.parametrize("limit", ["max_upload_bytes", "max_stored_bytes"])
def test_a_file_may_be_exactly_as_large_as_the_limit(
    function: Call, services: Services, limit: str, as_form: bool, announced: bool
) -> None:
    services.settings = replace(services.settings, **{limit: len(LARGE)})
    rejected = send(function, services, LARGE + b"1", as_form=as_form, announced=announced)
    assert_problem(rejected, 413, code="too_large")
    assert f"at most {len(LARGE)} bytes" in rejected.json["detail"]
    assert traces(services) == []
    accepted = send(function, services, LARGE, as_form=as_form, announced=announced)
    assert accepted.status_code == 202, accepted.text
    assert accepted.json["video_bytes"] == len(LARGE)
    assert read_stored(services, accepted.json["video_fid"]) == LARGE
