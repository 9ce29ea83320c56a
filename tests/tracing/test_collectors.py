"""A collector that is slow, away or picky disturbs nothing, and without one, nothing is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from time import monotonic

import pytest
from structlog.testing import capture_logs

from devservers.otlp_receiver import OtlpReceiver
from devservers.ports import free_port
from soundlift.common.errors import SettingError
from soundlift.common.settings import Settings
from soundlift.common.tracing.recorder import MAX_BATCH, MAX_WAITING_SPANS
from soundlift.common.tracing.spans import Kind, begin_span, is_on
from soundlift.common.tracing.start import STOP_SECONDS, start_tracing, stop_tracing
from tests.tracing.conftest import Finish

MARGIN = 5.0  # of a busy machine; without a bound, the end would take 30 s
IMPORT = """
import sys
from soundlift.common.settings import Settings
from soundlift.common.tracing.start import start_tracing
for name in (
    *("login", "validate", "upload", "download", "jobs", "hooks", "web"),
    *("fetch", "convert", "notify", "webhook", "cleanup"),
):
    __import__(f"functions.{name}.handler")
import soundlift.connector.__main__
start_tracing(Settings.from_environment(), "test")
print([name for name in sys.modules if name.startswith(("opentelemetry", "google.protobuf"))])
"""


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_no_process_loads_opentelemetry_without_a_collector() -> None:
    assert run(IMPORT, OTEL_EXPORTER_OTLP_ENDPOINT="").stdout == "[]\n"


@pytest.mark.parametrize("module", ["gunicorn", "soundlift.connector"])
@pytest.mark.servers
def test_a_start_without_the_libraries_ends_with_one_sentence(module: str, tmp_path: Path) -> None:
    (tmp_path / "opentelemetry").mkdir()
    (tmp_path / "opentelemetry" / "__init__.py").touch()  # a package of this name hides the installed ones
    config = ["-c", "python:soundlift.common.web.gunicorn_config", "functions.web.handler:app"]
    arguments = config if module == "gunicorn" else []
    ended = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env={
            **os.environ,
            "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
            "PORT": str(free_port()),
            "SOUNDLIFT_DATA": str(tmp_path),
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode != 0
    lines = [line for line in ended.stderr.splitlines() if line.startswith("soundlift: ")]
    assert lines == [
        "soundlift: Setting OTEL_EXPORTER_OTLP_ENDPOINT needs OpenTelemetry, which is not installed: "
        "install soundlift[traces], or build the images with TRACES=true."
    ]
    assert "Traceback" not in ended.stderr


def test_spans_that_a_stalled_collector_does_not_take_are_bounded_and_delay_nothing(
    tracing: Finish, receiver: OtlpReceiver
) -> None:
    receiver.stall()
    slowest = 0.0
    for number in range(3 * MAX_WAITING_SPANS):
        began = monotonic()
        begin_span(f"span {number}", Kind.SERVER).end()
        slowest = max(slowest, monotonic() - began)
    assert slowest < 1
    receiver.proceed()
    tracing()
    names = {span.name for span in receiver.spans}
    assert f"span {3 * MAX_WAITING_SPANS - 1}" in names
    assert len(names) <= MAX_WAITING_SPANS + 2 * MAX_BATCH


@pytest.mark.slow
@pytest.mark.parametrize("is_there", [True, False], ids=["stalled", "away"])
def test_the_end_of_a_process_waits_for_a_collector_for_a_bounded_time(
    settings: Settings, receiver: OtlpReceiver, is_there: bool
) -> None:
    receiver.stall()
    url = receiver.url if is_there else f"http://127.0.0.1:{free_port()}"
    start_tracing(replace(settings, otel_exporter_otlp_endpoint=url), "test")
    begin_span("span", Kind.SERVER).end()
    began = monotonic()
    stop_tracing()
    assert monotonic() - began < STOP_SECONDS + MARGIN
    assert not is_on()


def test_an_operator_reads_in_the_log_that_spans_are_lost(
    settings: Settings, receiver: OtlpReceiver, capfd: pytest.CaptureFixture[str]
) -> None:
    url = f"{receiver.url}/elsewhere"
    with capture_logs() as logs:
        start_tracing(replace(settings, otel_exporter_otlp_endpoint=url), "test")
        for _ in range(3):
            begin_span("span", Kind.SERVER).end()
        stop_tracing()
    losses = [one["lost_since_start"] for one in logs if one["event"] == "collector does not accept spans"]
    assert losses == [3]
    shown = capfd.readouterr()
    assert "Failed to export" not in shown.out + shown.err


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://user:secret@collector"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "no value\n"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ("OTEL_TRACES_SAMPLER_ARG", "nan"),
    ],
)
def test_a_malformed_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"^Setting {name}: "):
        Settings.from_environment({name: value})


def test_the_headers_of_a_collector_are_percent_decoded_and_may_be_a_secret_file(tmp_path: Path) -> None:
    (tmp_path / "otel-exporter-otlp-headers").write_text("Authorization=Bearer%20abc, x-scope=1\n")
    settings = Settings.from_environment({"SECRETS_FOLDER": str(tmp_path)})
    assert settings.otel_exporter_otlp_headers == (("authorization", "Bearer abc"), ("x-scope", "1"))
    assert "abc" not in repr(settings)
