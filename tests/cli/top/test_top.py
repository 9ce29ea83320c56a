"""`soundlift top` shows a deployment in a terminal of 60 columns, also while a server is away."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from devservers.ports import free_port
from devservers.waiting import DEADLINE_SECONDS
from soundlift.cli.top.snapshot import Snapshot
from soundlift.cli.top.source import Reading
from soundlift.cli.top.view import view
from soundlift.common.broker import QueueCount
from soundlift.common.jobs.model import State
from soundlift.common.jobs.overview import MAX_COUNT, RATES, Overview, Worker
from soundlift.common.services import Services
from tests.cli.conftest import Run
from tests.factories.jobs import claimed_job, queued_job, ready_job

COLUMNS = 60
NOW = datetime(2026, 11, 28, 9, 30, tzinfo=UTC)


def _lines(snapshot: Snapshot) -> list[str]:
    console = Console(width=COLUMNS, color_system=None)
    with console.capture() as capture:
        console.print(view(snapshot, NOW, "q ends"))
    return capture.get().splitlines()


def _busy() -> Snapshot:
    overview = Overview(
        jobs=dict.fromkeys(State, MAX_COUNT + 1),
        pending_mails=MAX_COUNT + 1,
        oldest_queued=25 * 3600,
        rates=dict.fromkeys(RATES, 1234.5),
        workers=[Worker("f" * 24, 100, 3, 36000, lapsed=True)] * 20,
    )
    return Snapshot(Reading(overview, None), Reading([QueueCount("soundlift.delay", 10**7, 999, 10**6, 99)], None))


def test_nothing_is_cut_on_60_columns_however_much_there_is() -> None:
    lines = _lines(_busy())
    assert [line for line in lines if cell_len(line) > COLUMNS or "…" in line] == []
    text = "\n".join(lines)
    assert "25:00:00" in text
    assert text.count(" 10k+") == len(State) + 1  # instead of the deleted ones the mails, and the workers
    assert "and 10k+ more" in text
    assert text.count("10:00:00 lapsed") == 20


def test_a_server_that_is_away_is_named_and_the_other_is_shown() -> None:
    reason = "RabbitMQ does not answer. Connection refused\x1b[2J " * 3
    lines = _lines(Snapshot(_busy().overview, Reading(None, reason)))
    assert [line for line in lines if cell_len(line) > COLUMNS or "\x1b" in line] == []
    assert any("The broker: RabbitMQ does not answer." in line for line in lines)
    assert any("Oldest queued job" in line for line in lines)


@pytest.fixture
def deployment(services: Services) -> dict[str, str]:
    for _ in range(2):
        queued_job(services)
    claimed_job(services)
    ready_job(services)
    services.broker.check()
    return {"SOUNDLIFT_DATA": str(services.settings.soundlift_data)}


@pytest.mark.slow
def test_without_a_terminal_it_prints_once_as_text_or_json(deployment: dict[str, str], run: Run) -> None:
    printed = run("top", **deployment)
    assert printed.returncode == 0, printed.stderr
    assert "Oldest queued job: " in printed.stdout
    document = json.loads(run("top", "--json", **deployment).stdout)
    assert (document["jobs"]["queued"], document["jobs"]["converting"], document["errors"]) == (2, 1, {})
    assert [one["queue"] for one in document["queues"]] == ["import", "mp3", "video", "webhook"]
    assert document["workers"][0]["attempt"] == 1


@pytest.mark.slow
def test_a_server_that_is_away_makes_no_traceback(deployment: dict[str, str], run: Run) -> None:
    away = f"127.0.0.1:{free_port()}"
    ended = run("top", "--json", **deployment, BROKER_URL=f"amqp://{away}", DATABASE_URL=f"mysql://ada@{away}/x")
    document = json.loads(ended.stdout)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert document["errors"].keys() == {"database", "broker"}
    assert (document["jobs"], document["queues"]) == (None, None)


@contextmanager
def _terminal(*arguments: str, folder: Path, **environment: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "soundlift.cli", *arguments],
        env={**os.environ, "TERM": "xterm-256color", **environment},
        cwd=folder,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - so that Ctrl-C reaches it
    )
    os.close(terminal)
    try:
        yield process, controller
    finally:
        process.kill()
        process.wait()
        os.close(controller)


def _read_until(controller: int, text: bytes) -> bytes:
    written, deadline = b"", time.monotonic() + DEADLINE_SECONDS
    while text not in written:
        assert time.monotonic() < deadline, written
        ready, _, _ = select.select([controller], [], [], 1)
        if ready:
            try:
                written += os.read(controller, 65536)
            except OSError:  # on Linux, the end of a terminal is an error
                break
    return written


@pytest.mark.slow
@pytest.mark.parametrize("key", [b"q", b"\x03"])
def test_on_a_terminal_it_is_drawn_again_until_a_key_ends_it(
    deployment: dict[str, str], services: Services, tmp_path: Path, key: bytes
) -> None:
    with _terminal("top", "--every", "0.5", folder=tmp_path, **deployment) as (process, controller):
        written = _read_until(controller, b"Oldest queued job")
        job = queued_job(services)
        assert services.jobs.claim(job)
        written += _read_until(controller, job.id.encode())
        os.write(controller, key)
        written += _read_until(controller, b"\x1b[?1049l")  # the end of the alternate screen
        assert process.wait(DEADLINE_SECONDS) == 0
    assert b"Traceback" not in written
