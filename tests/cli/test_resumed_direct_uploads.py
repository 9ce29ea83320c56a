"""An upload to the media store continues when the command was ended and is given again, and the command says so."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from devservers.forwarder import Forwarder
from devservers.s3 import S3
from devservers.waiting import wait_for
from soundlift.cli.exit_codes import ExitCode
from soundlift.common.services import Services
from tests.cli.large_upload import MEBIBYTE, LargeUpload
from tests.client.servers import Deployment

PART = 16 * MEBIBYTE
SIZE = 5 * PART
OVERHEAD = MEBIBYTE

pytestmark = [pytest.mark.slow, pytest.mark.servers]


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
def upload(in_s3: Services, tmp_path: Path) -> Iterator[LargeUpload]:
    with Deployment(in_s3).running() as deployment, LargeUpload(tmp_path, SIZE, deployment.url, in_s3).running() as one:
        yield one


def _interrupt(upload: LargeUpload, line: Forwarder, number: signal.Signals) -> int:
    """End a command by a signal when a part has arrived: four are sent at once, and the fifth after one of them."""
    return upload.interrupt(number, line, after=4 * PART + OVERHEAD, bytes_per_second=20e6)


def test_a_command_that_was_killed_sends_only_the_missing_parts_when_it_is_given_again(
    upload: LargeUpload, line: Forwarder, in_s3: Services
) -> None:
    assert _interrupt(upload, line, signal.SIGKILL) == -signal.SIGKILL
    wait_for(lambda: line.connections == 0, "the store has no request of the first command")
    before = line.received_bytes
    job = upload.end(upload.start())
    resumed = upload.resumed_at(upload.stderr)
    assert resumed, upload.stderr
    kept = round(resumed * 1e6 / PART)
    assert kept >= 1
    assert SIZE - kept * PART <= line.received_bytes - before <= SIZE - kept * PART + OVERHEAD
    in_s3.videos.delete(job.video_fid)
    assert upload.records == []


def test_ctrl_c_says_that_the_same_command_continues(upload: LargeUpload, line: Forwarder) -> None:
    assert _interrupt(upload, line, signal.SIGINT) == ExitCode.INTERRUPTED
    assert upload.stderr == "Interrupted. The same command continues the upload later.\n"
