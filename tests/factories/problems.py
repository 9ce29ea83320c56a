"""Assertions that hold for every refusal."""

from __future__ import annotations

from werkzeug.test import TestResponse


def assert_problem(response: TestResponse, status: int, title: str | None = None, code: str | None = None) -> None:
    """Assert that a response is a problem document (RFC 9457) without internal details."""
    assert response.status_code == status, response.text
    assert response.content_type == "application/problem+json"
    problem = response.json
    assert problem is not None
    assert set(problem) == {"title", "status", "detail", "code"}
    assert problem["status"] == status
    assert problem["detail"]
    assert title is None or problem["title"] == title
    assert code is None or problem["code"] == code
    for secret in ("Traceback", "sqlite", "/data", "Error("):
        assert secret not in response.text
    if status == 401:
        assert response.headers["WWW-Authenticate"]
    if status == 503:
        assert int(response.headers["Retry-After"]) > 0
