"""Headers that tell browsers to do as little as possible with a response (OWASP REST Security Cheat Sheet).

A function whose responses are for people, such as the page, sets its own values, which are kept.
"""

from __future__ import annotations

from base64 import b64encode
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

from flask import Response

if TYPE_CHECKING:
    from soundlift.common.web.application import Function

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # a signed link contains a token
    "X-Content-Type-Options": "nosniff",
}
# Without includeSubDomains, because other hosts below PUBLIC_URL's may not support TLS (RFC 6797, section 6.1).
TLS_ONLY = "max-age=31536000"


def page_policy(style: str) -> str:
    """Return the Content-Security-Policy of a page that loads nothing.

    It has one style element with exactly this text, and images only in `data:` URLs.
    """
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


def add_security_headers(app: Function) -> None:
    """Make an application add HEADERS to each response, and Strict-Transport-Security if PUBLIC_URL is https."""
    app.after_request(partial(_add, app))


def _add(app: Function, response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if app.services.settings.public_url.startswith("https://"):
        response.headers.setdefault("Strict-Transport-Security", TLS_ONLY)
    return response
