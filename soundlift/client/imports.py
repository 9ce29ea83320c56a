"""Imports, each with a key by which the server recognizes it when it is repeated."""

from __future__ import annotations

import secrets
from http import HTTPStatus

from soundlift.client.api import Api
from soundlift.client.errors import ApiError, NotSupported
from soundlift.client.job import Job


def request_import(api: Api, url: str, name: str | None, query: dict[str, str]) -> Job:
    """Ask the server to import the video at a URL, and return its job; raises NotSupported if the server is too old."""
    document = {"url": url} if name is None else {"url": url, "name": name}
    headers = {"Idempotency-Key": f'"{secrets.token_hex(16)}"'}
    try:
        return Job.of(api.json("POST", "/upload", document, query=query, headers=headers))
    except ApiError as error:
        if error.status != HTTPStatus.UNSUPPORTED_MEDIA_TYPE:  # an older server takes the request for a file
            raise
        detail = "This server cannot import from a URL: it is older than this client. Upload the file instead."
        raise NotSupported(error.status, code=error.code, title=error.title, detail=detail) from None
