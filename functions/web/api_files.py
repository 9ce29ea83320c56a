"""The description of the HTTP API: the document functions/web/api/openapi.yaml, and the page that is made from it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from soundlift.common.web.security_headers import page_policy

from .static_files import FOLDER, StaticFile

DOCUMENT = "openapi.yaml"
PAGE = "docs"
API_FOLDER = Path(__file__).with_name("api")


def find_api_file(name: str) -> StaticFile | None:
    """Return the document or the page, or None for any other name."""
    makers = {DOCUMENT: _read_document, PAGE: _make_page}
    return makers[name]() if name in makers else None


@cache
def _read_document() -> StaticFile:
    return StaticFile.of((API_FOLDER / DOCUMENT).read_bytes(), "application/yaml")  # RFC 9512


@cache
def _make_page() -> StaticFile:
    """Make the page, which needs no other file, so that proxies may serve it at any path."""
    from .api_page import render_page  # reads YAML, which takes longer than all else that a start of this function does

    style = "".join(file.read_text(encoding="utf-8") for file in (FOLDER / "style.css", API_FOLDER / "docs.css"))
    html = render_page(_read_document().plain, template=API_FOLDER / "docs.html", style=style)
    return StaticFile.of(html.encode(), "text/html", page_policy(style))
