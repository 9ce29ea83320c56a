"""The page on the local gateway: at / next to the gateway's own paths, and at the paths of its function."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from werkzeug import Request
from werkzeug.utils import redirect

from soundlift.common.web.security_headers import HEADERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PAGE = "web"  # the function's name
OTHERS = re.compile(r"/(?:healthz|system/.*)", re.DOTALL)
# The page's files, which functions/web/static_files.py names, and the description of the API.
FILE = re.compile(r"/(?:[0-9a-f]{12}/)?[\w-]+\.\w+|/docs")


class PageAtRoot:
    """The page for browsers and for the files that it consists of, and another application for everything else."""

    def __init__(self, page: WSGIApplication, other: WSGIApplication) -> None:
        self._page = page
        self._other = other

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Handle a request."""
        application = self._page if _is_for_page(Request(environ)) else self._other
        return application(environ, start_response)


class PageWithSlash:
    """The page at a path without a final slash, where the addresses of its files would be wrong: it redirects."""

    def __init__(self, page: WSGIApplication) -> None:
        self._page = page

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Handle a request."""
        if environ["PATH_INFO"] or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return self._page(environ, start_response)
        response = redirect(f"{environ['SCRIPT_NAME']}/", HTTPStatus.PERMANENT_REDIRECT)
        response.headers.update(HEADERS)
        return response(environ, start_response)


def _is_for_page(request: Request) -> bool:
    if OTHERS.fullmatch(request.path):
        return False
    if request.method not in ("GET", "HEAD"):  # the page names the methods that it has
        return request.path == "/" or bool(FILE.fullmatch(request.path))
    accepted = request.accept_mimetypes
    if request.path == "/":
        return accepted["text/html"] >= accepted["application/json"]
    return bool(FILE.fullmatch(request.path)) or accepted["text/html"] > accepted["application/json"]
