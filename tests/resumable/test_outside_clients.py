"""Clients that others wrote upload over a bad line."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from tusclient.client import TusClient

from devservers.disturbances import Disturb, cut, disturbed, reset, stall
from tests.resumable.conftest import MEBIBYTE, Deployment

TUS_JS_CLIENT = "4.3.1"
ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("tus_js_client.mjs")
CUTS = [2 * MEBIBYTE, 5 * MEBIBYTE, 11 * MEBIBYTE]

pytestmark = pytest.mark.servers

each_disturbance = pytest.mark.parametrize("disturb", [cut, reset, stall])


@each_disturbance
def test_tuspy_uploads_over_a_bad_line(deployment: Deployment, video: Path, disturb: Disturb) -> None:
    client = TusClient(deployment.uploads, {"Authorization": f"Bearer {deployment.token()}"})
    with video.open("rb") as file, disturbed(deployment.line, disturb, CUTS):
        uploader = client.uploader(
            file_stream=file,
            chunk_size=3 * MEBIBYTE,
            metadata={"filename": video.name, "filetype": "video/mp4", "bitrate": "96"},
            retries=20,
            retry_delay=0.1,
            upload_checksum=True,
        )
        uploader.upload()
    job_id = deployment.job_of(video.name)
    assert uploader.request.response_headers["soundlift-job"] == job_id
    assert deployment.stored(job_id) == video.read_bytes()


@pytest.fixture(scope="module")
def tus_js_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with the package, which npm installs once for all runs."""
    folder = ROOT / "build" / f"tus-js-client-{TUS_JS_CLIENT}"
    if folder.exists():
        return folder
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node or npm is not installed")
    new = tmp_path_factory.mktemp("npm")
    quiet = ["--silent", "--no-audit", "--no-fund", "--no-save"]
    command = ["npm", "install", *quiet, "--prefix", str(new), f"tus-js-client@{TUS_JS_CLIENT}"]
    installed = subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)
    if installed.returncode:
        pytest.skip(f"npm cannot install tus-js-client: {installed.stdout}{installed.stderr}")
    folder.parent.mkdir(exist_ok=True)
    shutil.copytree(new, folder, dirs_exist_ok=True, symlinks=True)
    return folder


@each_disturbance
def test_tus_js_client_uploads_over_a_bad_line(
    deployment: Deployment, video: Path, disturb: Disturb, tus_js_client: Path
) -> None:
    with disturbed(deployment.line, disturb, CUTS):
        ended = _run_script(tus_js_client, deployment, video, "whole")
    assert ended["job"] == deployment.job_of(video.name)
    assert deployment.stored(ended["job"]) == video.read_bytes()


def test_tus_js_client_continues_what_it_has_stopped(deployment: Deployment, video: Path, tus_js_client: Path) -> None:
    before = deployment.line.received_bytes
    ended = _run_script(tus_js_client, deployment, video, "stop-and-continue")
    assert ended["resumed"] == 1
    assert ended["job"] == deployment.job_of(video.name)
    assert deployment.stored(ended["job"]) == video.read_bytes()
    assert deployment.line.received_bytes - before < video.stat().st_size + 5 * MEBIBYTE


def _run_script(package: Path, deployment: Deployment, video: Path, mode: str) -> dict[str, str | int]:
    """Run the script with the package, and return what it prints."""
    module = package / "node_modules" / "tus-js-client"
    arguments = [str(module), deployment.uploads, deployment.token(), str(video), mode]
    run = subprocess.run(["node", str(SCRIPT), *arguments], capture_output=True, text=True, check=False, timeout=90)
    assert run.returncode == 0, run.stderr
    ended: dict[str, str | int] = json.loads(run.stdout)
    return ended
