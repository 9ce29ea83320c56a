"""An upload to the media store continues when the command was ended and is given again, and the command says so."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from devservers.forwarder import Forwarder
from devservers.s3 import S3
from devservers.toxics import Bandwidth
from devservers.waiting import wait_for
from soundlift.cli.exit_codes import ExitCode
from soundlift.common.services import Services
from tests.client.servers import Deployment
from tests.factories.jobs import MP4, job_now

EMAIL = "ada@example.org"
MEBIBYTE = 2**20
PART = 16 * MEBIBYTE
SIZE = 5 * PART
OVERHEAD = MEBIBYTE
RESUMING = re.compile(r"^a\.mp4: resuming at ([0-9.]+) MB of 83\.9 MB$", re.MULTILINE)

pytestmark = [pytest.mark.slow, pytest.mark.servers]

Start = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def line(s3_server: S3) -> Iterator[Forwarder]:
    """Return the line between clients and the store."""
    with Forwarder(s3_server.port) as line:
        yield line


@pytest.fixture
def in_s3(services: Services, s3_server: S3, line: Forwarder) -> Services:
    endpoint = f"http://127.0.0.1:{line.port}"
    return Services(replace(services.settings, media_url=s3_server.url(), media_endpoint=endpoint))


@pytest.fixture
def start(in_s3: Services, tmp_path: Path) -> Iterator[Start]:
    """Return a function that converts a sparse file that looks like a large video, with errors in the file `stderr`."""
    with (tmp_path / "a.mp4").open("wb") as file:
        file.write(MP4)
        file.truncate(SIZE)
    processes = []
    with Deployment(in_s3).running() as deployment:

        def soundlift() -> subprocess.Popen[bytes]:
            account = {
                "SOUNDLIFT_URL": deployment.url,
                "SOUNDLIFT_TOKEN": in_s3.tokens.sign_in(EMAIL, admin=False),
                "XDG_STATE_HOME": str(tmp_path / "state"),
            }
            with (tmp_path / "stderr").open("w") as stderr:
                process = subprocess.Popen(
                    [sys.executable, "-m", "soundlift.cli", "convert", "a.mp4"],
                    env={**os.environ, **account},
                    cwd=tmp_path,
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                )
            processes.append(process)
            return process

        yield soundlift
        for process in processes:
            process.kill()
            process.wait()


def _interrupt(start: Start, line: Forwarder, number: signal.Signals) -> int:
    """Begin an upload, and end the command by a signal when a part has arrived; return its exit code."""
    with line.disturbed(Bandwidth(20e6), "upstream"):
        process = start()
        # Four parts are sent at once, and the fifth when one of them has arrived.
        wait_for(lambda: line.received_bytes > 4 * PART + OVERHEAD, "a part has arrived")
        process.send_signal(number)
        return process.wait(20)


def test_a_command_that_was_killed_sends_only_the_missing_parts_when_it_is_given_again(
    start: Start, line: Forwarder, in_s3: Services, tmp_path: Path
) -> None:
    assert _interrupt(start, line, signal.SIGKILL) == -signal.SIGKILL
    wait_for(lambda: line.connections == 0, "the store has no request of the first command")
    before = line.received_bytes
    process = start()
    (job,) = wait_for(lambda: in_s3.jobs.page(None), "the file has been uploaded")
    assert in_s3.jobs.cancel(job.id)
    assert process.wait(20) == ExitCode.FAILED
    resumed = RESUMING.search((tmp_path / "stderr").read_text())
    assert resumed, (tmp_path / "stderr").read_text()
    kept = round(float(resumed[1]) * 1e6 / PART)
    assert kept >= 1
    assert SIZE - kept * PART <= line.received_bytes - before <= SIZE - kept * PART + OVERHEAD
    assert len(in_s3.jobs.page(None)) == 1
    fid = job_now(in_s3, job.id).video_fid
    with in_s3.videos.open(fid).file as file:
        assert file.read() == MP4 + bytes(SIZE - len(MP4))
    in_s3.videos.delete(fid)
    assert list((tmp_path / "state" / "soundlift" / "uploads").iterdir()) == []


def test_ctrl_c_says_that_the_same_command_continues(start: Start, line: Forwarder, tmp_path: Path) -> None:
    assert _interrupt(start, line, signal.SIGINT) == ExitCode.INTERRUPTED
    assert (tmp_path / "stderr").read_text() == "Interrupted. The same command continues the upload later.\n"
