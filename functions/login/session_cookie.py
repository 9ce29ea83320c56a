"""The cookie that keeps a page signed in. Scripts cannot read it, and only requests to login contain it."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Request, Response

from soundlift.common.auth.refresh_tokens import RefreshToken
from soundlift.common.setting_types import is_loopback
from soundlift.common.settings import Settings

NAME = "soundlift_refresh"
DEFAULT_MOUNT = "/login"


def read_cookie(request: Request) -> str | None:
    """Return the value of the cookie, whatever it is."""
    return request.cookies.get(NAME)


def set_cookie(response: Response, token: RefreshToken, request: Request, settings: Settings) -> None:
    """Store a token in the browser until its session would expire."""
    _set(response, token.text, settings.refresh_seconds, request, settings)


def clear_cookie(response: Response, request: Request, settings: Settings) -> None:
    """Remove the token from the browser."""
    _set(response, "", 0, request, settings)


def _set(response: Response, value: str, max_age: int, request: Request, settings: Settings) -> None:
    response.set_cookie(
        NAME,
        value,
        max_age=max_age,
        path=cookie_path(settings.public_url, request.script_root),
        secure=not (_is_loopback(settings.public_url) and _is_loopback(f"//{request.headers.get('Host', '')}")),
        httponly=True,
        samesite="Strict",
    )


def cookie_path(public_url: str, mount: str) -> str:
    """Return the path of login as the client sees it.

    `mount` is the path at which the local gateway serves login. It is empty where a function has a container of its
    own. A proxy may serve everything below a further path, which is then that of PUBLIC_URL.
    """
    prefix = urlsplit(public_url).path.rstrip("/")
    mount = mount or DEFAULT_MOUNT
    return mount if prefix and mount.startswith(f"{prefix}/") else f"{prefix}{mount}"


def _is_loopback(url: str) -> bool:
    """Return whether a URL's host is this machine."""
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False
