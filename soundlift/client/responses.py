"""JSON documents in responses, among them the problem documents of refusals."""

from __future__ import annotations

from typing import Any

import urllib3

from soundlift.client.errors import ApiError, ConnectionFailed


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
    return ApiError(
        response.status,
        code=str(problem.get("code", "unexpected_answer")),
        title=title,
        detail=str(problem.get("detail", f"The server answered {response.status} {title}.")),
    )


def _json(response: urllib3.BaseHTTPResponse) -> Any:
    try:
        return response.json()
    except ValueError:
        return None
