"""web: the files of the page, with headers that let only them run."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from functions.web.static_files import CONDENSED, FOLDER, ICON_NAME, MAX_BYTES, condensed, read_files
from soundlift.common.web.page_icon import ICON
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call

FILES = sorted([*(file.name for file in FOLDER.iterdir()), ICON_NAME])
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


@pytest.fixture
def web(function: Call) -> FlaskClient:
    return function("web")


def release_in(web: FlaskClient) -> str:
    found = re.search(r'src="([0-9a-f]{12})/app\.js"', web.get("/").text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("path", ["/", "/index.html"])
def test_the_root_is_the_index_which_is_checked_at_each_visit(web: FlaskClient, path: str) -> None:
    response = web.get(path)
    assert (response.status_code, response.content_type) == (200, "text/html; charset=utf-8")
    assert response.headers["Cache-Control"] == "no-cache"
    again = web.get(path, headers={"If-None-Match": response.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_a_failed_precondition_is_answered_with_a_problem_document(web: FlaskClient) -> None:
    assert_problem(web.get("/app.js", headers={"If-Match": '"another"'}), 412)


@pytest.mark.parametrize("name", [name for name in FILES if name != "index.html"])
def test_a_file_is_kept_for_a_year_under_the_release_that_the_index_names(web: FlaskClient, name: str) -> None:
    response = web.get(f"/{release_in(web)}/{name}")
    assert response.status_code == 200
    content = ICON if name == ICON_NAME else (FOLDER / name).read_bytes()
    assert response.data == (condensed(content) if name.endswith(CONDENSED) else content)
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("folder", ["", "0123456789ab/"])
def test_a_file_without_this_release_in_its_path_is_checked_at_each_visit(web: FlaskClient, folder: str) -> None:
    response = web.get(f"/{folder}app.js")
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-cache")
    assert response.headers["ETag"]


def test_every_file_that_the_index_names_is_named_with_the_release(web: FlaskClient) -> None:
    release = release_in(web)
    references = re.findall(r'(?:src|href)="([^"]+\.\w+)"', web.get("/").text)
    assert references
    for reference in references:
        assert reference.startswith(f"{release}/")
        assert web.get(f"/{reference}").status_code == 200


def test_the_index_loads_at_once_all_modules_but_those_that_are_loaded_on_demand(web: FlaskClient) -> None:
    preloaded = re.findall(r'<link rel="modulepreload" href="[0-9a-f]{12}/([^"]+)">', web.get("/").text)
    assert preloaded == [name for name in FILES if name.endswith(".js") and name not in read_files().on_demand]


@pytest.mark.parametrize("name", FILES)
def test_types_are_those_that_browsers_require_under_nosniff(web: FlaskClient, name: str) -> None:
    types = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml", "html": "text/html"}
    response = web.get(f"/{name}")
    assert types[name.rpartition(".")[2]] in response.content_type
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/app.js", "/none", "/_/health"])
def test_every_response_has_the_strict_headers(web: FlaskClient, path: str) -> None:
    headers = web.get(path).headers
    assert headers["Content-Security-Policy"] == POLICY
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    denied = set(headers["Permissions-Policy"].split(", "))
    assert {"camera=()", "geolocation=()", "microphone=()"} <= denied
    assert all(policy.endswith("=()") for policy in denied)


@pytest.mark.parametrize("path", ["/", "/app.js"])
def test_a_file_is_compressed_for_clients_that_accept_it(web: FlaskClient, path: str) -> None:
    plain = web.get(path)
    compressed = web.get(path, headers={"Accept-Encoding": "br, gzip"})
    assert "Content-Encoding" not in plain.headers
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(compressed.data) == plain.data
    assert compressed.data[4:8] == bytes(4), "without a time, all processes send the same bytes"
    assert compressed.headers["ETag"] != plain.headers["ETag"]
    assert plain.headers["Vary"] == compressed.headers["Vary"] == "Accept-Encoding"
    refused = web.get(path, headers={"Accept-Encoding": "gzip;q=0"})
    assert refused.data == plain.data


UNKNOWN = ["/none", "/none.js", "/a/b", "/0123456789ab/", "/0123456789ab/index.html", "/0123456789ab/none.js",
           "/../handler.py", "/%2e%2e/handler.py", "/..%2fhandler.py", "/app.js/", "/app.js%00", "/a%0ab", "/C:/x",
           "/%ff"]  # fmt: skip


@pytest.mark.parametrize("path", UNKNOWN)
def test_an_unknown_path_is_a_problem_for_programs(web: FlaskClient, path: str) -> None:
    for accept in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        assert_problem(web.get(path, headers=accept), 404, code="not_found")


@pytest.mark.parametrize(("path", "page"), [("/none", "./"), ("/a/b", "../"), ("/a/b/", "../../")])
def test_an_unknown_path_is_a_page_for_browsers_and_leads_to_the_right_one(
    web: FlaskClient, path: str, page: str
) -> None:
    response = web.get(path, headers=BROWSER)
    assert (response.status_code, response.content_type) == (404, "text/html; charset=utf-8")
    assert response.headers["Content-Security-Policy"] == POLICY
    assert f' href="{page}">Open Soundlift</a>' in response.text
    assert f'href="{page}{release_in(web)}/style.css"' in response.text
    assert f'<link rel="icon" href="{page}{release_in(web)}/icon.svg"' in response.text


def test_the_page_for_an_unknown_path_shows_nothing_of_it(web: FlaskClient) -> None:
    response = web.get("/%22%3E%3Cscript%3Ealert(1)", headers=BROWSER)
    assert response.status_code == 404
    assert "alert" not in response.text


@pytest.mark.parametrize("method", ["post", "put", "delete", "options"])
def test_the_page_is_read_only(web: FlaskClient, method: str) -> None:
    response = getattr(web, method)("/")
    assert response.status_code == (204 if method == "options" else 405)
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_a_release_is_named_by_the_content_of_all_its_files(tmp_path: Path) -> None:
    contents = [("index.html", "a"), ("index.html", "b"), ("index.html", "a"), ("app.js", ""), ("app.js", "1")]
    releases = []
    for name, content in contents:
        (tmp_path / name).write_text(content)
        releases.append(read_files.__wrapped__(tmp_path).release)
    assert releases[0] == releases[2]
    assert len(set(releases)) == 4


SCRIPT = b"""/** First. */
import { a } from "./a.js"; /** not alone */

  /**
   * @param {string} b
   */
  // A reason.
export const c = "// text"; // */
/** @type {string} **/
\tlet d = "/**"; d = "*/";
"""
SERVED = b"""
import { a } from "./a.js"; /** not alone */





export const c = "// text"; // */

let d = "/**"; d = "*/";
"""


def test_scripts_are_served_without_comments_and_indentation_and_with_the_same_line_numbers() -> None:
    assert condensed(SCRIPT) == SERVED


def test_a_folder_that_is_too_large_for_memory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_bytes(b"x" * (MAX_BYTES + 1))
    with pytest.raises(ValueError, match="the page may have"):
        read_files.__wrapped__(tmp_path)
