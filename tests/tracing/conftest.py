"""A collector for the spans of a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from devservers.otlp_receiver import OtlpReceiver
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from soundlift.common.tracing.start import start_tracing, stop_tracing

Finish = Callable[[], None]


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as receiver:
        yield receiver


@pytest.fixture
def traced_settings(settings: Settings, receiver: OtlpReceiver) -> Settings:
    return replace(settings, otel_exporter_otlp_endpoint=receiver.url)


@pytest.fixture
def tracing(traced_settings: Settings) -> Iterator[Finish]:
    """Record the spans of this process; the returned function sends all that have ended."""
    start_tracing(traced_settings, "test")
    yield stop_tracing
    stop_tracing()


@pytest.fixture
def services(tracing: Finish, traced_settings: Settings, sqlite_url: str) -> Iterator[Services]:
    services = Services(traced_settings)
    yield services
    services.database.engine.dispose()
