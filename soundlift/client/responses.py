"""JSON documents in responses, among them the problem documents of refusals."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any

import urllib3

from soundlift.client.connection_errors import connection_errors
from soundlift.client.errors import ApiError, ConnectionFailed, NotSupported

MAX_BYTES = 64 * 2**20  # a page of a hundred jobs has far fewer
SECONDS = re.compile(r"[0-9]{1,9}")


def json_object(response: urllib3.BaseHTTPResponse) -> dict[str, Any]:
    """Return the JSON object in a response; raises ConnectionFailed if there is none."""
    document = _json(response)
    if not isinstance(document, dict):
        raise ConnectionFailed("The server's answer is not JSON. Is this the address of a Soundlift gateway?")
    return document


def api_error(response: urllib3.BaseHTTPResponse) -> ApiError:
    """Return the error of a refusal, which a proxy may have sent without a problem document."""
    document = _json(response)
    problem = document if isinstance(document, dict) else {}
    title = str(problem.get("title", response.reason))
    too_old = response.status == HTTPStatus.METHOD_NOT_ALLOWED
    text = "The server does not support this; it may be older than this client." if too_old else None
    return (NotSupported if too_old else ApiError)(
        response.status,
        code=str(problem.get("code", "unexpected_answer")),
        title=title,
        detail=text or str(problem.get("detail", f"The server answered {response.status} {title}.")),
        retry_after=_seconds(response.headers.get("Retry-After", "")),
    )


def _seconds(text: str) -> float | None:
    return float(text) if SECONDS.fullmatch(text) else None


def _json(response: urllib3.BaseHTTPResponse) -> Any:
    """Return the JSON value in a response, or None; raises ConnectionFailed if the response is interrupted."""
    with connection_errors():
        body = response.read(MAX_BYTES + 1)
    if len(body) > MAX_BYTES:
        response.close()
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
