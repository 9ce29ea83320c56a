"""Protection of the session cookie from requests that pages of other sites make (cross-site request forgery).

A browser adds cookies to a request regardless of which page makes it. SameSite=Strict excludes most such requests, but
not those from other hosts of the same site. Every route that reads or sets the cookie therefore requires what follows;
so does every route of sign-up and reset, or a page of another site could have its visitors request emails:

- `Content-Type: application/json`, which a form cannot have, and which a page of another origin may only send after a
  preflight request (Fetch standard, CORS-safelisted request-header). The routes of a session grant none, and the
  sign-in grants it to CORS_ORIGINS without cookies;
- `Sec-Fetch-Site: same-origin` if the browser sends this header, which pages cannot change (Fetch Metadata, section 2);
- otherwise, if there is an `Origin` header, the origin of PUBLIC_URL or of the request's own host. Its scheme may be
  https behind a proxy that terminates TLS, but not http if PUBLIC_URL is https.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Request

from soundlift.common.errors import CrossSiteRequest
from soundlift.common.settings import Settings

PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Origin:
    """An origin (RFC 6454) with its explicit port."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> Origin | None:
        """Return the origin of an http or https URL, or None for anything else."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or PORTS.get(parts.scheme)
        except ValueError:
            return None
        return cls(parts.scheme, host, port) if parts.scheme in PORTS and host and port else None


def require_same_origin(request: Request, settings: Settings) -> None:
    """Raise CrossSiteRequest unless a request comes from a page of this origin, or from a program."""
    if request.mimetype != "application/json":
        raise CrossSiteRequest("Send Content-Type: application/json.")
    site = request.headers.get("Sec-Fetch-Site")
    allowed = site == "same-origin" if site is not None else _is_own_origin(request, settings)
    if not allowed:
        raise CrossSiteRequest("Only pages of this service's own origin may send this request.")


def _is_own_origin(request: Request, settings: Settings) -> bool:
    sent = request.headers.get("Origin")
    if sent is None:
        return True
    origin, public = Origin.parse(sent), Origin.parse(settings.public_url)
    if origin is None or public is None:
        return False
    host = Origin.parse(f"{origin.scheme}://{request.headers.get('Host', '')}")
    return origin == public or (origin == host and (origin.scheme == "https" or public.scheme == "http"))
