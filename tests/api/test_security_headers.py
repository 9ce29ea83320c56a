"""Headers of every response, whatever its status."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus

import pytest

from soundlift.common.services import Services
from soundlift.common.web.error_responses import error_response
from soundlift.common.web.security_headers import HEADERS
from tests.api.test_methods import FUNCTIONS
from tests.factories.accounts import bearer
from tests.factories.jobs import ready_job
from tests.fixtures.functions import Call

each_function = pytest.mark.parametrize("name", FUNCTIONS)


@each_function
def test_every_response_has_the_headers(function: Call, name: str) -> None:
    for path in ("/", "/_/health", "/_/x"):
        for method in ("GET", "PUT"):
            headers = function(name).open(path, method=method).headers
            assert headers["Content-Security-Policy"].startswith("default-src 'none'")
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "no-referrer"
            assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert "Strict-Transport-Security" not in headers


def test_a_download_is_neither_shown_nor_sniffed(function: Call, services: Services) -> None:
    response = function("download").get(f"/?job={ready_job(services).id}", headers=bearer(services))
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert {name: response.headers[name] for name in HEADERS} == HEADERS


@each_function
def test_browsers_keep_to_tls_if_the_public_address_is_https(function: Call, services: Services, name: str) -> None:
    services.settings = replace(services.settings, public_url="https://soundlift.example.org")
    for path in ("/", "/_/health"):
        assert function(name).get(path).headers["Strict-Transport-Security"] == "max-age=31536000"


def test_a_response_to_an_unreadable_request_has_the_headers() -> None:
    lines = error_response(HTTPStatus.BAD_REQUEST).partition(b"\r\n\r\n")[0].decode().split("\r\n")
    assert {f"{name}: {value}" for name, value in HEADERS.items()} <= set(lines)
