"""upload: the name of a file, from a header or a form."""

from __future__ import annotations

import pytest

from soundlift.common.file_names import MAX_NAME_LENGTH
from soundlift.common.services import Services
from tests.api.uploads import NAME
from tests.factories.accounts import bearer
from tests.factories.jobs import MP4, job_now
from tests.fixtures.functions import Call


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({"X-Filename": "a.mp4"}, "a.mp4"),
        ({"X-Filename": "%C3%9Cn%C3%AFcode%20%F0%9F%8E%B5.mp4"}, NAME),
        ({"X-Filename": NAME.encode().decode("latin-1")}, NAME),
        ({"Content-Disposition": "attachment; filename*=UTF-8''%C3%9Cn%C3%AFcode%20%F0%9F%8E%B5.mp4"}, NAME),
        ({"Content-Disposition": 'attachment; filename="b.mp4"'}, "b.mp4"),
        ({"X-Filename": "../../etc/passwd"}, "passwd"),
        ({"X-Filename": "C:\\videos\\c.mp4"}, "c.mp4"),
        ({"X-Filename": "a%0d%0aBcc: x@example.org.mp4"}, "a__Bcc: x@example.org.mp4"),
        ({"X-Filename": "x" * MAX_NAME_LENGTH + ".mp4"}, "x" * (MAX_NAME_LENGTH - 4) + ".mp4"),
        ({"X-Filename": "x" * (MAX_NAME_LENGTH - 4) + ".mp4"}, "x" * (MAX_NAME_LENGTH - 4) + ".mp4"),
        ({"X-Filename": "folder/" * 2000 + "d.mp4"}, "d.mp4"),
        ({"X-Filename": "  e.mp4 "}, "e.mp4"),
        ({"X-Filename": "folder/"}, "video"),
        ({}, "video"),
    ],
)
def test_the_file_name_of_a_raw_body_is_in_its_headers(
    function: Call, services: Services, headers: dict[str, str], name: str
) -> None:
    response = function("upload").post("/", data=MP4, headers={**bearer(services), **headers})
    assert job_now(services, response.json["job_id"]).file_name == name


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("../../etc/passwd", "passwd"),
        ("a\tb.mp4", "a_b.mp4"),
        ("x" * MAX_NAME_LENGTH + ".mp4", "x" * (MAX_NAME_LENGTH - 4) + ".mp4"),
        ("folder/", "video"),
    ],
)
def test_a_file_name_in_a_form_is_sanitized(function: Call, services: Services, sent: str, name: str) -> None:
    head = f'--x\r\nContent-Disposition: form-data; name="f"; filename="{sent}"\r\n\r\n'.encode()
    response = function("upload").post(
        "/",
        data=head + MP4 + b"\r\n--x--\r\n",
        content_type="multipart/form-data; boundary=x",
        headers=bearer(services),
    )
    assert job_now(services, response.json["job_id"]).file_name == name
