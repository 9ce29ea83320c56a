"""The images contain OpenTelemetry only if they are built with TRACES=true."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from devservers.containers import (
    BASE,
    BUILD_TIMEOUT_SECONDS,
    PREFIX,
    SANDBOX,
    Podman,
    function_environment,
    image_name,
    write_secrets,
)
from devservers.otlp_receiver import OtlpReceiver
from devservers.ports import free_port
from devservers.waiting import wait_for
from tests.factories.accounts import SECRET
from tests.factories.manifests import ROOT

pytestmark = pytest.mark.timeout(BUILD_TIMEOUT_SECONDS)
BUILD = ROOT / "deploy" / "images" / "build.py"
TAG = "traced"


@pytest.fixture
def traced_image(podman: Podman, tmp_path: Path) -> Iterator[str]:
    """Return the image of a small function, built with TRACES=true."""
    build = [sys.executable, str(BUILD), "--traces", "--base", BASE, "--trees", str(tmp_path / "trees"), "validate"]
    environment = {**podman.environment, "IMAGE_TAG": TAG}
    built = subprocess.run(build, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert built.returncode == 0, built.stdout[-2000:]
    image = f"{PREFIX}/validate:{TAG}"
    yield image
    podman("rmi", "--force", image)


def start(podman: Podman, image: str, folder: Path, port: int, **environment: str) -> str:
    write_secrets(folder, {"jwt-secret": SECRET})
    own = {
        **function_environment("validate"),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "METRICS_PORT": "0",
        **environment,
    }
    variables = [f"--env={name}={value}" for name, value in own.items()]
    return podman("run", "--detach", *SANDBOX, f"--volume={folder}:/var/openfaas/secrets:ro", *variables, image)


def test_an_image_built_with_traces_sends_them(podman: Podman, traced_image: str, tmp_path: Path) -> None:
    port = free_port()
    with OtlpReceiver() as receiver:
        container = start(podman, traced_image, tmp_path / "secrets", port, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
        try:
            url = f"http://127.0.0.1:{port}/"
            assert wait_for(lambda: _status(url), "the function answers") == 401
            found = wait_for(lambda: receiver.spans, "a span arrives")
            assert {(span.service, span.name) for span in found} == {("soundlift-validate", "GET /validate")}
            assert podman("stop", container)
            assert podman("inspect", "--format={{.State.ExitCode}}", container) == "0"
        finally:
            podman("rm", "--force", container)


def test_a_default_image_does_not_start_with_a_collector_and_says_why(podman: Podman, tmp_path: Path) -> None:
    container = start(
        podman,
        image_name("validate"),
        tmp_path / "secrets",
        free_port(),
        OTEL_EXPORTER_OTLP_ENDPOINT="http://host:4318",
    )
    try:
        assert podman("wait", container) != "0"
        assert "install soundlift[traces], or build the images with TRACES=true." in podman("logs", container)
    finally:
        podman("rm", "--force", container)


def _status(url: str) -> int | None:
    try:
        return urllib3.request("GET", url, retries=False, timeout=2).status
    except urllib3.exceptions.HTTPError:
        return None
