"""web serves the OpenAPI document, and a page for people that is made from it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re

import pytest
from flask.testing import FlaskClient

from functions.web.api_files import API_FOLDER, DOCUMENT
from functions.web.api_page import ApiDocument, prose, render_page
from functions.web.static_files import read_files
from tests.fixtures.functions import Call
from tests.openapi.document import operations, problems, read_document
from tests.web.test_page_files import Markup

MAX_WEIGHT = 45_000  # bytes, compressed


@pytest.fixture
def web(function: Call) -> FlaskClient:
    return function("web")


def test_the_document_is_served_as_it_is_and_checked_at_each_visit(web: FlaskClient) -> None:
    response = web.get("/openapi.yaml")
    assert (response.status_code, response.content_type) == (200, "application/yaml")
    assert response.data == (API_FOLDER / DOCUMENT).read_bytes()
    assert response.headers["Cache-Control"] == "no-cache"
    assert web.get("/openapi.yaml", headers={"If-None-Match": response.headers["ETag"]}).status_code == 304


@pytest.mark.parametrize("name", ["openapi.yaml", "docs"])
def test_both_are_compressed_and_not_kept_with_a_release_of_the_page(web: FlaskClient, name: str) -> None:
    compressed = web.get(f"/{name}", headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(compressed.data) == web.get(f"/{name}").data
    assert len(compressed.data) < MAX_WEIGHT
    assert web.get(f"/{read_files().release}/{name}").status_code == 404


def test_the_page_describes_every_operation_parameter_schema_and_problem_code(web: FlaskClient) -> None:
    api = read_document()
    text = web.get("/docs").text
    for method, path, operation in operations():
        assert f"<code>{method} {path}</code>" in text
        assert f'<article id="{operation["operationId"]}"' in text
        for parameter in operation.get("parameters", []):
            assert f"<dt><code>{api.resolve(parameter)['name']}</code>" in text
    for kind, names in (
        ("schema", api.root["components"]["schemas"]),
        ("scheme", api.root["components"]["securitySchemes"]),
    ):
        assert all(f'id="{kind}-{name}"' in text for name in names)
    assert all(f"<code>{code}</code>" in text for _, codes, _ in problems() for code in codes)


def test_the_page_has_no_script_and_only_its_own_style_and_icon(web: FlaskClient) -> None:
    response = web.get("/docs")
    assert (response.status_code, response.content_type) == (200, "text/html; charset=utf-8")
    (style,) = re.findall(r"<style>(.*)</style>", response.text, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; ")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    markup = Markup(response.text)
    assert [attributes["rel"] for tag, attributes in markup.tags if tag == "link"] == ["icon"]
    for tag, attributes in markup.tags:
        assert tag not in ("script", "img", "iframe", "base")
        assert tag != "link" or (attributes["rel"], attributes["href"][:19]) == ("icon", "data:image/svg+xml,")
        assert not [name for name in attributes if name == "style" or name.startswith("on")]


def test_every_link_of_the_page_leads_to_a_part_of_it_or_to_a_file_beside_it(web: FlaskClient) -> None:
    markup = Markup(web.get("/docs").text)
    ids = [attributes["id"] for _, attributes in markup.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {attributes["href"] for tag, attributes in markup.tags if tag == "a"}
    assert links <= {f"#{each}" for each in ids} | {"./", "openapi.yaml"}


def test_text_of_the_document_never_becomes_markup() -> None:
    assert prose('a <b> `<i>`\n\n"c"') == "<p>a &lt;b&gt; <code>&lt;i&gt;</code></p><p>&#34;c&#34;</p>"
    hostile = (API_FOLDER / DOCUMENT).read_text().replace("title: Soundlift", 'title: "<script>"')
    assert "<script" not in render_page(hostile.encode(), template=API_FOLDER / "docs.html", style="")


def test_a_schema_is_described_in_words() -> None:
    api = ApiDocument(b"components: {schemas: {Id: {type: string, pattern: ^a$}}}")
    assert api.type_of({"$ref": "#/components/schemas/Id"}) == "Id"
    assert api.type_of({"type": "array", "items": {"$ref": "#/components/schemas/Id"}, "maxItems": 3}) == (
        "array of Id, at most 3"
    )
    assert api.type_of({"enum": ["a", None]}) == '"a" or null'
    assert api.type_of({"type": ["integer", "null"], "minimum": 0, "default": 1}) == (
        "integer or null, at least 0, 1 by default"
    )
    assert api.type_of({"anyOf": [{"type": "string", "pattern": "^b"}, {"type": "null"}]}) == (
        "string, matching ^b or null"
    )
