"""The page that people use in a browser, with strict headers, and the description of the HTTP API."""

from __future__ import annotations

import re
from http import HTTPStatus
from pathlib import Path

from flask import Request, Response
from flask.typing import ResponseReturnValue

from soundlift.common.errors import NotFound
from soundlift.common.services import Services
from soundlift.common.web.application import http_function

from .api_files import find_api_file
from .static_files import INDEX, RELEASE_LENGTH, StaticFile, read_files

PATH = re.compile(rf"/(?:(?P<release>[0-9a-f]{{{RELEASE_LENGTH}}})/(?=.))?(?P<name>.*)", re.DOTALL)
NOT_FOUND = Path(__file__).with_name("not_found.html")
YEAR_SECONDS = 365 * 86_400
HEADERS = {  # besides those of every response
    # Only the page's own files run, and only its own API is called. With Trusted Types, no text becomes markup.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), "
    "magnetometer=(), microphone=(), midi=(), payment=(), usb=()",
}


def web(request: Request, services: Services) -> ResponseReturnValue:
    """Return the file at a path, or a 404 that browsers show as a page and programs read as a problem."""
    found = PATH.fullmatch(request.path)
    assert found is not None
    page = read_files()
    file = page.files.get(found["name"] or INDEX)
    if not found["release"]:
        file = file or find_api_file(found["name"])
    if file is None or (found["release"] and found["name"] == INDEX):
        return _not_found(request, page.release)
    return _file_response(request, file, immutable=found["release"] == page.release)


def _file_response(request: Request, file: StaticFile, *, immutable: bool) -> Response:
    """Return a file; browsers keep it for a year if its path names this release, and otherwise check it each time.

    A path may name another release while functions are being replaced.
    """
    compressed = request.accept_encodings["gzip"] > 0
    content, etag = (file.compressed, f"{file.etag}-gzip") if compressed else (file.plain, file.etag)
    response = Response(content, mimetype=file.mimetype)
    response.set_etag(etag)
    if compressed:
        response.content_encoding = "gzip"
    response.vary.add("Accept-Encoding")
    response.headers["Cache-Control"] = f"public, max-age={YEAR_SECONDS}, immutable" if immutable else "no-cache"
    if file.policy:
        response.headers["Content-Security-Policy"] = file.policy
    response.make_conditional(request)
    return response


def _not_found(request: Request, release: str) -> Response:
    accepted = request.accept_mimetypes
    if accepted["text/html"] <= accepted["application/json"]:
        raise NotFound("The page has no file at this path.")
    up = "../" * (request.path.count("/") - 1) or "./"
    text = NOT_FOUND.read_text(encoding="utf-8").replace("{page}", up).replace("{release}", release)
    return Response(
        text, HTTPStatus.NOT_FOUND, mimetype="text/html", headers={"Cache-Control": "no-store", "Vary": "Accept"}
    )


def _add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


app = http_function(web, methods=["GET", "HEAD"])
app.after_request(_add_headers)
