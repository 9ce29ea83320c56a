"""The URLs of a media store that a server names."""

from __future__ import annotations

from urllib.parse import urlsplit


def is_safe_url(url: str, server: str) -> bool:
    """Return whether a URL is one of HTTP, and of HTTPS if the address of the server is."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    schemes = ("https",) if urlsplit(server).scheme == "https" else ("http", "https")
    return parts.scheme in schemes and bool(parts.hostname)
