"""The health and readiness checks of every function."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call

HTTP_FUNCTIONS = ["login", "validate", "upload", "download", "jobs", "hooks", "web", "cleanup"]
EVENT_FUNCTIONS = ["fetch", "convert", "notify", "webhook"]


@pytest.mark.parametrize("name", [*HTTP_FUNCTIONS, *EVENT_FUNCTIONS])
def test_a_function_is_healthy_while_its_services_are_unavailable(
    function: Call, services: Services, tmp_path: Path, name: str
) -> None:
    services.settings = replace(services.settings, media_url=f"file://{tmp_path}/none", smtp_url="smtp://127.0.0.1:1")
    response = function(name).get("/_/health")
    assert (response.status_code, response.text) == (200, "OK")


@pytest.mark.parametrize("name", [*HTTP_FUNCTIONS, "convert"])
def test_a_function_is_ready_when_its_services_are_available(function: Call, services: Services, name: str) -> None:
    response = function(name).get("/_/ready")
    assert (response.status_code, response.text) == (200, "OK")


@pytest.mark.parametrize("name", ["upload", "download", "fetch", "convert", "cleanup"])
def test_a_function_is_not_ready_while_its_media_store_is_unavailable(
    function: Call, services: Services, tmp_path: Path, name: str
) -> None:
    (tmp_path / "file").touch()
    services.settings = replace(services.settings, media_url=f"file://{tmp_path}/file")
    assert_problem(function(name).get("/_/ready"), 503, code="store_unavailable")


@pytest.mark.parametrize(
    "name", ["login", "upload", "download", "jobs", "hooks", "notify", "webhook", "cleanup", "fetch", "convert"]
)
def test_a_function_is_not_ready_while_the_database_is_unavailable(
    function: Call, settings: Settings, tmp_path: Path, name: str, services: Services
) -> None:
    unavailable = Services(replace(settings, database_url=f"sqlite:///{tmp_path}/none/soundlift.db"))
    client = function(name)
    client.application.services = unavailable  # type: ignore[attr-defined] # Flask's client does not know our application class
    with capture_logs() as logs:
        assert_problem(client.get("/_/ready"), 503, code="database_unavailable")
    (cause,) = [line["cause"] for line in logs if line["event"] == "database_unavailable"]
    assert cause == "unable to open database file", "the cause must be one line, without the link that SQLAlchemy adds"
    unavailable.database.engine.dispose()


@pytest.mark.parametrize("name", ["validate", "login"])
def test_a_function_that_does_not_use_the_media_store_is_ready_without_it(
    function: Call, services: Services, tmp_path: Path, name: str
) -> None:
    (tmp_path / "file").touch()
    services.settings = replace(services.settings, media_url=f"file://{tmp_path}/file")
    assert function(name).get("/_/ready").status_code == 200


def test_other_paths_below_the_health_prefix_are_not_found(function: Call) -> None:
    assert_problem(function("convert").post("/_/health"), 405)
    assert_problem(function("convert").post("/_/other"), 404)


@pytest.mark.parametrize("path", ["/_/health", "/_/ready"])
def test_the_health_checks_are_read_only(function: Call, path: str) -> None:
    assert_problem(function("validate").delete(path), 405)
