"""File names that lie: what is stored, what a download is called, and what the log shows."""

from __future__ import annotations

import json
import re
from urllib.parse import quote, unquote

import pytest

from soundlift.common.file_names import MAX_NAME_LENGTH
from soundlift.common.printable import replaced
from soundlift.common.services import Services
from tests.api.function_server import FunctionServer, read_response, served
from tests.api.uploads import FORM_TYPE, build_form
from tests.factories.accounts import bearer
from tests.factories.jobs import MP4, ready_job
from tests.fixtures.functions import Call

NAMES = {
    "../../../etc/passwd": "passwd",
    "..\\..\\windows\\system32\\a.mp4": "a.mp4",
    "C:\\videos\\a.mp4": "a.mp4",
    "\\\\server\\share\\a.mp4": "a.mp4",
    "/": "video",
    "..": "..",
    "a\0b.mp4": "a_b.mp4",
    "a\r\nSet-Cookie: b=c.mp4": "a__Set-Cookie: b=c.mp4",
    "annexe\u202e4pm.exe": "annexe_4pm.exe",
    "a\u2066b\u200bc\ufeffd.mp4": "a_b_c_d.mp4",
    "a\U000e0041\U000e0042.mp4": "a__.mp4",
    "\u3164\u2800.mp4": "__.mp4",
    "a\x1b[2J\x07.mp4": "a_[2J_.mp4",
    "\u0301a" + "\u0301" * 9 + ".mp4": "_a" + "\u0301" * 8 + "_.mp4",
    "CON": "CON",
    "a.mp4. . .": "a.mp4. . .",
    "👩\u200d🚀 ❤\ufe0f.mp4": "👩\u200d🚀 ❤\ufe0f.mp4",
    '"; filename="b.mp4': '"; filename="b.mp4',
    "x" * 10**4 + ".mp4": "x" * (MAX_NAME_LENGTH - 4) + ".mp4",
    "\u0301" * 3000: "_" * MAX_NAME_LENGTH,
}


MAX_HEADER_BYTES = 8000  # gunicorn refuses a longer field


def stored_name(server: FunctionServer, target: str, headers: dict[str, str], body: bytes) -> str:
    """Upload a file, and return the name that it has in the answer."""
    with server.connect(f"POST {target}", {**headers, "Content-Length": str(len(body))}, body) as connection:
        status, _, answer = read_response(connection)
    assert status == 202, answer
    return str(json.loads(answer)["file_name"])


@pytest.mark.servers
def test_names_are_stored_bounded_and_escaped_in_the_log(services: Services) -> None:
    with served("upload", services, {"MAX_JOBS_IN_FLIGHT": "0"}) as server:
        for name, stored in NAMES.items():
            sent = quote(name, safe="")
            form = build_form(MP4, f"filename*=UTF-8''{sent}")
            assert stored_name(server, "/", {**bearer(services), "Content-Type": FORM_TYPE}, form) == stored
            if len(sent) < MAX_HEADER_BYTES:
                target = f"/{sent[:900]}"
                assert stored_name(server, target, {**bearer(services), "X-Filename": sent}, MP4) == stored
    log = server.log.read_bytes()
    assert log.count(b'"event": "request"') > len(NAMES)
    assert re.fullmatch(rb"[\x20-\x7e\n]*", log)


def test_a_download_s_name_names_one_file_and_hides_nothing(function: Call, services: Services) -> None:
    for name in NAMES:
        job = ready_job(services, name=name[:200])
        response = function("download").get(f"/?job={job.id}", headers=bearer(services))
        header = response.headers["Content-Disposition"].encode("latin-1").decode()
        assert re.fullmatch(r'attachment; filename="[^"\\\r\n]*\.mp3"(; filename\*=UTF-8\'\'[!-~]*)?', header)
        assert replaced(header, "") == header
        for encoded in re.findall(r"filename\*=UTF-8''(.*)", header):
            assert replaced(unquote(encoded), "") == unquote(encoded)
