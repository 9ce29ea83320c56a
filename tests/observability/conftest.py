"""Services that are measured, and the series that Prometheus would read from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.test import Client

from soundlift.common.metrics.endpoint import MetricsEndpoint
from soundlift.common.metrics.state import State
from soundlift.common.services import Services
from tests.factories.clips import talking_mp4

Series = Callable[..., float | None]


@pytest.fixture
def measured(services: Services) -> Iterator[Services]:
    """Return the services of a process whose setting METRICS_PORT is set, on the database and folder of the test."""
    measured = Services(replace(services.settings, metrics_port=9464))
    yield measured
    measured.database.engine.dispose()


@pytest.fixture
def series(measured: Services) -> Series:
    """Return a function that scrapes the measured process, and returns the value of one series, None if missing."""
    assert measured.metrics
    registry = measured.metrics.registry
    registry.register(State(measured))
    client = Client(MetricsEndpoint(registry))

    def value(name: str, **labels: str) -> float | None:
        response = client.get("/metrics")
        assert response.status_code == 200
        samples = [one for family in text_string_to_metric_families(response.text) for one in family.samples]
        return next((one.value for one in samples if (one.name, one.labels) == (f"soundlift_{name}", labels)), None)

    return value


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder: Path = tmp_path_factory.mktemp("video")
    return talking_mp4(folder).read_bytes()
