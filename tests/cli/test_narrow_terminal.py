"""On a terminal of 60 columns, nothing is cut and no line is longer; NO_COLOR is respected."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len

from devservers.waiting import DEADLINE_SECONDS
from soundlift.common.jobs.model import AudioDescription
from soundlift.common.services import Services
from tests.client.servers import Deployment
from tests.factories.jobs import MP4, failed_job, queued_job, ready_job

COLUMNS = 60
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOR = re.compile(r"\x1b\[[0-9;]*(3[0-9]|9[0-9]|48)[0-9;]*m")
LONG = "a rather long name of a file with 漢字 in it, which has more than sixty columns.mp4"

pytestmark = pytest.mark.slow

OnTerminal = Callable[..., str]


@pytest.fixture
def on_terminal(services: Services, tmp_path: Path) -> Iterator[OnTerminal]:
    """Return a function that runs the command on a terminal, and returns what is written to it."""
    with Deployment(services).running() as deployment:
        token = services.tokens.sign_in("ada@example.org", admin=False)

        def soundlift(*arguments: str, **environment: str) -> str:
            account = {"SOUNDLIFT_URL": deployment.url, "SOUNDLIFT_TOKEN": token}
            without = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
            controller, terminal = pty.openpty()
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
            process = subprocess.Popen(
                [sys.executable, "-m", "soundlift.cli", *arguments],
                env={**without, "TERM": "xterm-256color", **account, **environment},
                cwd=tmp_path,
                stdin=terminal,
                stdout=terminal,
                stderr=terminal,
            )
            os.close(terminal)
            written = b"".join(iter(lambda: _read(controller), b""))
            os.close(controller)
            process.wait(DEADLINE_SECONDS)
            return written.decode()

        yield soundlift


def _read(controller: int) -> bytes:
    try:
        return os.read(controller, 65536)
    except OSError:  # on Linux, the end of a terminal is an error
        return b""


def _lines(written: str) -> list[str]:
    return CONTROL.sub("", written.replace("\r\n", "\n").replace("\r", "\n")).split("\n")


def _assert_narrow(written: str) -> None:
    assert [line for line in _lines(written) if cell_len(line) > COLUMNS] == []


def test_lists_of_jobs_fit(on_terminal: OnTerminal, services: Services) -> None:
    rows = [queued_job(services, name=LONG), ready_job(services), failed_job(services, "A reason. " * 20)]
    written = on_terminal("jobs")
    _assert_narrow(written)
    assert all(row.id in written for row in rows)
    assert "".join(line.strip() for line in _lines(written)).count(LONG.replace(" ", "")) == 0
    assert LONG[-20:] in "".join(line[2:] for line in _lines(written))


@pytest.mark.parametrize("make", [queued_job, ready_job, lambda services: failed_job(services, "A reason. " * 20)])
def test_a_job_fits(on_terminal: OnTerminal, services: Services, make: Callable[[Services], object]) -> None:
    _assert_narrow(on_terminal("job", make(services).id))  # type: ignore[attr-defined]


def test_the_history_of_a_job_fits(on_terminal: OnTerminal, services: Services) -> None:
    job = failed_job(services, "A reason. " * 20)
    written = on_terminal("job", "history", job.id, SOUNDLIFT_DATA=str(services.settings.soundlift_data))
    _assert_narrow(written)
    assert "upload complete, queued" in written
    assert written.count("reason") == 20


@pytest.mark.parametrize("command", ["convert", "download", "jobs", "job", "cancel", "rm", "retry", "link", "open"])
def test_the_help_fits_and_its_summary_is_not_cut(on_terminal: OnTerminal, command: str) -> None:
    _assert_narrow(on_terminal(command, "--help"))
    (summary,) = [line for line in _lines(on_terminal("--help")) if line.split()[:1] == [command]]
    assert not summary.endswith("...")


@pytest.mark.parametrize("no_color", ["", "1"])
def test_bars_and_results_fit(on_terminal: OnTerminal, services: Services, tmp_path: Path, no_color: str) -> None:
    (tmp_path / LONG).write_bytes(b"not a media file")
    (tmp_path / "b.mp4").write_bytes(b"neither")
    written = on_terminal("convert", LONG, "b.mp4", NO_COLOR=no_color)
    _assert_narrow(written)
    assert "all files" in written
    assert "2 files: 2 failed." in written
    assert bool(COLOR.search(written)) != bool(no_color)


def test_results_of_several_files_are_rows_of_a_table(on_terminal: OnTerminal, services: Services) -> None:
    copied = AudioDescription(format="m4a", codec="aac", bitrate=128, sample_rate=48_000, channels=2, copied=True)
    rows = [ready_job(services, b"12345", audio=copied), ready_job(services, name=LONG, audio=copied)]
    written = on_terminal("download", *(row.id for row in rows))
    _assert_narrow(written)
    assert "    3:07    5 bytes  m4a 128k copied   a.m4a" in _lines(written)
    assert "    3:07    3 bytes  m4a 128k copied" in _lines(written)
    assert LONG.removesuffix(".mp4")[-20:] in "".join(_lines(written))


def test_a_download_shows_a_bar(on_terminal: OnTerminal, services: Services, tmp_path: Path) -> None:
    written = on_terminal("download", ready_job(services, MP4 + bytes(2**20)).id)
    _assert_narrow(written)
    assert "downloading" in written
    assert written.endswith("\x1b[1A\x1b[2K"), "the bar and its line are gone"
    assert (tmp_path / "a.mp3").exists()
