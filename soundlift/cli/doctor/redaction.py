"""Removes the secrets of a deployment from what is printed: a server's error message may quote them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from urllib.parse import unquote, urlsplit

from soundlift.common.settings import Settings

MIN_LENGTH = 4  # a shorter text is no secret, and would be found everywhere
HIDDEN = "***"
NO_SECRETS = ("mysql_user", "basic_auth_user")  # names, not passwords


def secrets_of(settings: Settings) -> list[str]:
    """Return the keys and passwords in the settings, the longest first."""
    found = {text for text in _secrets(settings) if len(text) >= MIN_LENGTH}
    return sorted(found, key=len, reverse=True)


def redacted(text: str, secrets: list[str]) -> str:
    """Return a text without the secrets."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text


def _secrets(settings: Settings) -> Iterator[str]:
    for item in fields(settings):
        value = getattr(settings, item.name)
        if not item.metadata["secret"] or item.name in NO_SECRETS:
            continue
        for text in value if isinstance(value, tuple) else str(value).split(","):
            yield from _passwords(text.strip()) if "://" in text else (text,)


def _passwords(url: str) -> Iterator[str]:
    """Yield the password in a URL as it is written and as it is meant; an s3:// URL has its secret key there."""
    try:
        password = urlsplit(url).password
    except ValueError:
        password = None
    if password:
        yield from (password, unquote(password))
