"""Addresses that a server sends, checked before they are shown or opened."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from soundlift.client import Job


def page_of(job: Job, url: str) -> str:
    """Return the address of a job's page; an older server does not send it."""
    address = job.links.get("page", "")
    return address if is_web_address(address) else f"{url}/web/#job={quote(job.id, safe='')}"


def is_web_address(text: str) -> bool:
    """Return whether a text is one address of the web, so not one of a file or a script."""
    return urlsplit(text).scheme in ("http", "https") and text.isprintable() and " " not in text
