"""The limit of concurrent requests of a function."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Request, Response
from flask.typing import ResponseReturnValue
from werkzeug.test import create_environ

from soundlift.common.services import Services
from soundlift.common.web.application import http_function
from tests.factories.problems import assert_problem

SECRET = "sqlite:////data/secret.db"


def broken_request(request: Request, services: Services) -> ResponseReturnValue:
    raise RuntimeError(SECRET)


def test_requests_beyond_the_concurrency_limit_are_answered_429(services: Services) -> None:
    services.settings = replace(services.settings, threads=1)
    app = http_function(lambda request, services: Response(iter([b"a", b"b"])), methods=["GET"], services=services)
    with app.test_client().get("/"):
        rejected = app.test_client().get("/")
        assert_problem(rejected, 429, code="busy")
        assert rejected.headers["Retry-After"] == "1"
        assert app.test_client().get("/_/health").status_code == 200
    assert app.test_client().get("/", buffered=True).status_code == 200


def test_a_response_that_cannot_be_started_frees_its_place(services: Services) -> None:
    services.settings = replace(services.settings, threads=1)
    app = http_function(lambda request, services: "OK", methods=["GET"], services=services)

    def refuse(status: str, headers: object) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        app(create_environ(), refuse)  # type: ignore[arg-type] # no real server does this
    assert app.test_client().get("/").status_code == 200


def test_an_unexpected_error_frees_the_place_of_its_request(services: Services) -> None:
    services.settings = replace(services.settings, threads=1)
    client = http_function(broken_request, methods=["GET"], services=services).test_client()
    assert [client.get("/", buffered=True).status_code for _ in range(3)] == [500] * 3
