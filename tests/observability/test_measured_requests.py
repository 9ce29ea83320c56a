"""Requests are counted by function, method and status, with a fixed set of values for each label."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from functions.cleanup.handler import app as cleanup
from functions.login.handler import app as login
from functions.validate.handler import app as validate
from soundlift.common.services import Services
from soundlift.common.web.application import Function
from tests.observability.conftest import Series

IMPORTED = """
import sys
from functions.validate.handler import app
assert app.test_client().get("/").status_code == 401
print(*sys.modules)
"""


@pytest.fixture(autouse=True)
def _measured_functions(measured: Services) -> Iterator[None]:
    functions: tuple[Function, ...] = (cleanup, login, validate)
    for function in functions:
        function.services = measured
    yield
    for function in functions:
        function.services = None  # type: ignore[assignment]  # as at the start


def test_a_request_is_counted_and_timed_once_its_response_is_sent(series: Series) -> None:
    for _ in range(2):
        validate.test_client().get("/").close()
    assert series("requests_total", function="validate", method="GET", status="401") == 2
    assert series("request_duration_seconds_count", function="validate", method="GET") == 2
    assert series("problems_total", function="validate", code="not_authorized") == 2
    assert series("last_success_timestamp_seconds", function="validate") is None


def test_a_method_that_http_does_not_define_is_other_and_a_health_check_is_not_counted(series: Series) -> None:
    for method in ("HACK", "\u00e9", "A" * 1000):
        login.test_client().open("/", method=method).close()
    login.test_client().get("/_/health").close()
    assert series("requests_total", function="login", method="other", status="405") == 3
    assert series("requests_total", function="login", method="GET", status="200") is None


def test_the_time_of_the_last_cleanup_is_known_and_dead_letters_of_knative_are_counted(series: Series) -> None:
    headers = {"Ce-Knativeerrordest": "http://convert", "Ce-Type": "dev.soundlift.video.uploaded"}
    for given in ({}, headers):
        cleanup.test_client().post("/", headers=given).close()
    assert series("last_success_timestamp_seconds", function="cleanup") is not None
    assert series("dead_letters_total") == 1


def test_without_a_port_nothing_of_the_library_is_imported() -> None:
    environment = {"JWT_SECRET": "a secret of 32 bytes, or of some more", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", IMPORTED]
    found = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert "soundlift.common.web.application" in found.stdout, found.stderr
    assert "prometheus_client" not in found.stdout
    assert "soundlift.common.metrics.metrics" not in found.stdout
