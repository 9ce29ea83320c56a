"""The upload of a large file continues when the command was killed and is given again, and the command says so."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from devservers.forwarder import Forwarder
from devservers.toxics import Bandwidth
from devservers.waiting import wait_for
from soundlift.cli.exit_codes import ExitCode
from soundlift.common.services import Services
from tests.cli.large_upload import MEBIBYTE, LargeUpload
from tests.client.servers import Deployment

PART = 32 * MEBIBYTE
SIZE = 64 * MEBIBYTE
MORE_THAN_A_PART = PART + 4 * MEBIBYTE
BYTES_PER_SECOND = 40e6
COLUMNS = 60
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

pytestmark = pytest.mark.slow


@pytest.fixture
def line(services: Services) -> Iterator[Forwarder]:
    """Return the line to a deployment."""
    with Deployment(services).running() as deployment, Forwarder(deployment.port) as line:
        yield line


@pytest.fixture
def upload(services: Services, line: Forwarder, tmp_path: Path) -> Iterator[LargeUpload]:
    with LargeUpload(tmp_path, SIZE, f"http://127.0.0.1:{line.port}", services).running() as upload:
        yield upload


def _interrupt(upload: LargeUpload, line: Forwarder, number: signal.Signals) -> int:
    """End a command by a signal when it has sent more than a part."""
    return upload.interrupt(number, line, after=MORE_THAN_A_PART, bytes_per_second=BYTES_PER_SECOND)


def test_a_command_that_was_killed_sends_only_the_rest_when_it_is_given_again(
    upload: LargeUpload, line: Forwarder
) -> None:
    assert _interrupt(upload, line, signal.SIGKILL) == -signal.SIGKILL
    before = line.received_bytes
    upload.end(upload.start())
    resumed = upload.resumed_at(upload.stderr)
    assert resumed, upload.stderr
    assert PART / 1e6 <= resumed < SIZE / 1e6
    assert line.received_bytes - before <= SIZE - PART + MEBIBYTE
    assert line.received_bytes <= SIZE + PART + MEBIBYTE
    assert upload.records == []


def test_a_lost_connection_and_its_return_are_reported(upload: LargeUpload, line: Forwarder) -> None:
    line.add(Bandwidth(BYTES_PER_SECOND), "upstream")
    process = upload.start()
    wait_for(lambda: line.received_bytes > MORE_THAN_A_PART, "more than a part has been sent")
    line.cut()
    wait_for(lambda: "Trying again until it works; Ctrl-C stops." in upload.stderr, "the loss is reported")
    line.restore()
    wait_for(lambda: "Connected again." in upload.stderr, "the command continues")
    upload.end(process)
    assert line.received_bytes <= SIZE + PART + MEBIBYTE


def test_ctrl_c_says_that_the_same_command_continues(upload: LargeUpload, line: Forwarder) -> None:
    assert _interrupt(upload, line, signal.SIGINT) == ExitCode.INTERRUPTED
    assert upload.stderr == "Interrupted. The same command continues the upload later.\n"


@pytest.mark.parametrize(("arguments", "says_so"), [(["--json"], True), (["--quiet"], False)], ids=["json", "quiet"])
def test_scripts_get_the_message_on_standard_error_unless_they_want_none(
    upload: LargeUpload, line: Forwarder, arguments: list[str], *, says_so: bool
) -> None:
    _interrupt(upload, line, signal.SIGKILL)
    upload.end(upload.start(*arguments))
    assert bool(upload.resumed_at(upload.stderr)) == says_so
    assert "resuming" not in upload.stdout


def test_the_message_fits_on_a_narrow_terminal(upload: LargeUpload, line: Forwarder) -> None:
    _interrupt(upload, line, signal.SIGKILL)
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    process = upload.start(stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    written = b""
    while b"queued" not in written:
        written += os.read(controller, 65536)
    upload.end(process)
    os.close(controller)
    lines = CONTROL.sub("", written.decode().replace("\r\n", "\n").replace("\r", "\n")).split("\n")
    assert [one for one in lines if len(one.rstrip()) > COLUMNS] == []
    assert upload.resumed_at("\n".join(one.rstrip() for one in lines))
