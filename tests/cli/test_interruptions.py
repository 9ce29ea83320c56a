"""A conversion survives a restart of the server, and after Ctrl-C its user learns how to get the result."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from devservers.waiting import DEADLINE_SECONDS, wait_for
from soundlift.cli.exit_codes import ExitCode
from soundlift.common.services import Services
from tests.client.servers import Deployment
from tests.factories.jobs import MP4

EMAIL = "ada@example.org"

pytestmark = pytest.mark.slow

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def server(services: Services) -> Iterator[ExitStack]:
    with ExitStack() as server:
        yield server


@pytest.fixture
def start(services: Services, tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts the command in this test's folder, with its messages in the file `stderr`."""
    (tmp_path / "a.mp4").write_bytes(MP4)
    (tmp_path / "b.mp4").write_bytes(MP4)
    processes = []

    def soundlift(url: str, *arguments: str) -> subprocess.Popen[str]:
        token = services.tokens.sign_in(EMAIL, admin=False)
        with (tmp_path / "stderr").open("w") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "soundlift.cli", *arguments],
                env={**os.environ, "SOUNDLIFT_URL": url, "SOUNDLIFT_TOKEN": token},
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        processes.append(process)
        return process

    yield soundlift
    for process in processes:
        process.kill()
        process.communicate()


def _stderr(folder: Path) -> str:
    return (folder / "stderr").read_text()


def test_an_interrupted_command_says_how_to_get_the_result(
    services: Services, server: ExitStack, start: Start, tmp_path: Path
) -> None:
    deployment = server.enter_context(Deployment(services).running())
    process = start(deployment.url, "convert", "a.mp4", "b.mp4")
    wait_for(lambda: len(services.jobs.page(None)) == 2, "both files are uploaded")
    polls = len(deployment.requests)
    wait_for(lambda: len(deployment.requests) > polls + 2, "the command waits for the jobs")
    process.send_signal(signal.SIGINT)
    assert process.wait(DEADLINE_SECONDS) == ExitCode.INTERRUPTED
    message = _stderr(tmp_path)
    assert message.startswith("Interrupted.\nThe server continues the conversion. Get the result with:\n")
    for job in services.jobs.page(None):
        assert f"\n  soundlift download {job.id}\n" in message
    assert "Traceback" not in message


def test_an_interrupted_download_says_how_to_continue(
    services: Services, server: ExitStack, start: Start, tmp_path: Path
) -> None:
    deployment = server.enter_context(Deployment(services).running())
    job = start(deployment.url, "convert", "a.mp4")
    wait_for(lambda: services.jobs.page(None), "the file is uploaded")
    job.kill()
    (row,) = services.jobs.page(None)
    deployment.requests.clear()
    process = start(deployment.url, "download", row.id)
    wait_for(lambda: len(deployment.requests) > 1, "the command waits for the job")
    process.send_signal(signal.SIGINT)
    assert process.wait(DEADLINE_SECONDS) == ExitCode.INTERRUPTED
    assert _stderr(tmp_path) == f"Interrupted. Continue with:\n  soundlift download {row.id}\n"


def test_a_conversion_survives_a_restart_of_the_server(services: Services, start: Start, tmp_path: Path) -> None:
    with Deployment(services).running() as first:
        process = start(first.url, "convert", "a.mp4")
        wait_for(lambda: services.jobs.page(None), "the file is uploaded")
        polls = len(first.requests)
        wait_for(lambda: len(first.requests) > polls + 1, "the command waits for the job")
    wait_for(lambda: "Trying again until it works; Ctrl-C stops." in _stderr(tmp_path), "the loss is reported")
    with Deployment(services, first.port).running():
        wait_for(lambda: "Connected again." in _stderr(tmp_path), "the command has found the server again")
        (row,) = services.jobs.page(None)
        assert services.jobs.cancel(row.id)
        assert process.wait(DEADLINE_SECONDS) == ExitCode.FAILED
    assert _stderr(tmp_path).endswith("soundlift: The job was cancelled before its audio file was ready.\n")
    assert _stderr(tmp_path).count("Trying again") == 1
