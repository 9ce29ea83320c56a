"""The upload of a large file continues when the command was killed and is given again, and the command says so."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devservers.forwarder import Forwarder
from devservers.toxics import Bandwidth
from devservers.waiting import wait_for
from soundlift.cli.exit_codes import ExitCode
from soundlift.common.services import Services
from tests.client.servers import Deployment
from tests.factories.jobs import MP4, job_now

EMAIL = "ada@example.org"
MEBIBYTE = 2**20
PART = 32 * MEBIBYTE
SIZE = 64 * MEBIBYTE
COLUMNS = 60
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
RESUMING = re.compile(r"^a\.mp4: resuming at ([0-9.]+) MB of 67\.1 MB$", re.MULTILINE)

pytestmark = pytest.mark.slow

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def line(services: Services, tmp_path: Path) -> Iterator[Forwarder]:
    """Return the line to a deployment, and make a sparse file that looks like a large video."""
    with (tmp_path / "a.mp4").open("wb") as file:
        file.write(MP4)
        file.truncate(SIZE)
    with Deployment(services).running() as deployment, Forwarder(deployment.port) as line:
        yield line


@pytest.fixture
def start(services: Services, line: Forwarder, tmp_path: Path) -> Iterator[Start]:
    """Return a function that converts the large file, with its output in the files `stdout` and `stderr`."""
    processes = []

    def soundlift(*arguments: str, **streams: int) -> subprocess.Popen[str]:
        account = {
            "SOUNDLIFT_URL": f"http://127.0.0.1:{line.port}",
            "SOUNDLIFT_TOKEN": services.tokens.sign_in(EMAIL, admin=False),
            "XDG_STATE_HOME": str(tmp_path / "state"),
        }
        without = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
        with (tmp_path / "stdout").open("w") as stdout, (tmp_path / "stderr").open("w") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "soundlift.cli", "convert", "a.mp4", *arguments],
                env={**without, "TERM": "xterm-256color", **account},
                cwd=tmp_path,
                text=True,
                **{"stdout": stdout.fileno(), "stderr": stderr.fileno(), **streams},  # type: ignore[call-overload]
            )
        processes.append(process)
        return process

    yield soundlift
    for process in processes:
        process.kill()
        process.wait()


def _interrupt(start: Start, line: Forwarder, number: signal.Signals) -> int:
    """Begin an upload, and end the command by a signal when it has sent more than a part; return its exit code."""
    with line.disturbed(Bandwidth(40e6), "upstream"):
        process = start()
        wait_for(lambda: line.received_bytes > PART + 4 * MEBIBYTE, "more than a part has been sent")
        process.send_signal(number)
        return process.wait(20)


def _end(process: subprocess.Popen[str], services: Services) -> None:
    """Cancel the job of a command that waits for it, and wait until the command has ended."""
    (job,) = wait_for(lambda: services.jobs.page(None), "the file has been uploaded")
    assert services.jobs.cancel(job.id)
    assert process.wait(20) == ExitCode.FAILED
    with services.videos.open(job_now(services, job.id).video_fid).file as file:
        assert file.read() == MP4 + bytes(SIZE - len(MP4))


def _stderr(folder: Path) -> str:
    return (folder / "stderr").read_text()


def test_a_command_that_was_killed_sends_only_the_rest_when_it_is_given_again(
    start: Start, line: Forwarder, services: Services, tmp_path: Path
) -> None:
    assert _interrupt(start, line, signal.SIGKILL) == -signal.SIGKILL
    before = line.received_bytes
    _end(start(), services)
    resumed = RESUMING.search(_stderr(tmp_path))
    assert resumed, _stderr(tmp_path)
    assert PART / 1e6 <= float(resumed[1]) < SIZE / 1e6
    assert line.received_bytes - before <= SIZE - PART + MEBIBYTE
    assert line.received_bytes <= SIZE + PART + MEBIBYTE
    assert len(services.jobs.page(None)) == 1
    assert list((tmp_path / "state" / "soundlift" / "uploads").iterdir()) == []


def test_a_lost_connection_and_its_return_are_reported(
    start: Start, line: Forwarder, services: Services, tmp_path: Path
) -> None:
    line.add(Bandwidth(40e6), "upstream")
    process = start()
    wait_for(lambda: line.received_bytes > PART + 4 * MEBIBYTE, "more than a part has been sent")
    line.cut()
    wait_for(lambda: "Trying again until it works; Ctrl-C stops." in _stderr(tmp_path), "the loss is reported")
    line.restore()
    wait_for(lambda: "Connected again." in _stderr(tmp_path), "the command continues")
    _end(process, services)
    assert line.received_bytes <= SIZE + PART + MEBIBYTE


def test_ctrl_c_says_that_the_same_command_continues(start: Start, line: Forwarder, tmp_path: Path) -> None:
    assert _interrupt(start, line, signal.SIGINT) == ExitCode.INTERRUPTED
    assert _stderr(tmp_path) == "Interrupted. The same command continues the upload later.\n"


@pytest.mark.parametrize(("arguments", "says_so"), [(["--json"], True), (["--quiet"], False)], ids=["json", "quiet"])
def test_scripts_get_the_message_on_standard_error_unless_they_want_none(
    start: Start, line: Forwarder, services: Services, tmp_path: Path, arguments: list[str], *, says_so: bool
) -> None:
    _interrupt(start, line, signal.SIGKILL)
    process = start(*arguments)
    _end(process, services)
    assert bool(RESUMING.search(_stderr(tmp_path))) == says_so
    assert "resuming" not in (tmp_path / "stdout").read_text()


def test_the_message_fits_on_a_narrow_terminal(start: Start, line: Forwarder, services: Services) -> None:
    _interrupt(start, line, signal.SIGKILL)
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    process = start(stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    written = b""
    while b"queued" not in written:
        written += os.read(controller, 65536)
    _end(process, services)
    os.close(controller)
    lines = CONTROL.sub("", written.decode().replace("\r\n", "\n").replace("\r", "\n")).split("\n")
    assert [one for one in lines if len(one.rstrip()) > COLUMNS] == []
    assert RESUMING.search("\n".join(one.rstrip() for one in lines))
