"""The start and the end of tracing in a process."""

from __future__ import annotations

from importlib.util import find_spec

from soundlift.common.errors import SettingError
from soundlift.common.settings import Settings
from soundlift.common.tracing.spans import record_with

STOP_SECONDS = 2.0
LIBRARIES = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")


def start_tracing(settings: Settings, service: str) -> None:
    """Record the spans of this process, if a collector is configured; call this in the process that does the work.

    Raises SettingError if the optional libraries are not installed.
    """
    if not settings.otel_exporter_otlp_endpoint:
        return
    if not all(map(_is_installed, LIBRARIES)):
        raise SettingError(
            "Setting OTEL_EXPORTER_OTLP_ENDPOINT needs OpenTelemetry, which is not installed: "
            "install soundlift[traces], or build the images with TRACES=true.",
            setting="OTEL_EXPORTER_OTLP_ENDPOINT",
        )
    from soundlift.common.tracing.recorder import OtelRecorder

    record_with(OtelRecorder(settings, service))


def stop_tracing() -> None:
    """Send the spans that are still waiting, for at most STOP_SECONDS, and record no more."""
    if recorder := record_with(None):
        recorder.stop(STOP_SECONDS)


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False
