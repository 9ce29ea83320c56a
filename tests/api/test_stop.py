"""A function told to stop answers all who have connected, and lets those who come later go elsewhere."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from devservers.waiting import wait_for
from soundlift.common.db.tables import jobs as table
from soundlift.common.services import Services
from tests.api.function_server import TIMEOUT_SECONDS, FunctionServer, served
from tests.factories.accounts import bearer
from tests.factories.jobs import MP4

pytestmark = pytest.mark.servers

IN_LINE = 5
SLOW_START = """
import os, pathlib, time
pathlib.Path(os.environ["LOADING"]).touch()
while not pathlib.Path(os.environ["GATE"]).exists():
    time.sleep(0.01)
from functions.validate.handler import app
"""
SIGTERM_WAITS = 1 << (signal.SIGTERM - 1)  # in ShdPnd


@pytest.fixture
def server(services: Services) -> Iterator[FunctionServer]:
    with served("upload", services) as server:
        yield server


def test_a_request_in_work_is_finished_while_nobody_new_is_let_wait(server: FunctionServer, services: Services) -> None:
    video = MP4 + bytes(4 * 2**20)
    headers = {**bearer(services), "Content-Length": str(len(video))}
    with server.connect("POST /", headers, video[: len(video) // 2]) as upload:
        wait_for(lambda: has_a_row(services), "the upload is in work")
        server.process.terminate()
        wait_for(server.refuses, "it stops listening")
        upload.sendall(video[len(video) // 2 :])
        assert upload.recv(12) == b"HTTP/1.1 202"
    assert server.process.wait(TIMEOUT_SECONDS) == 0


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells which signals wait for a process")
def test_all_who_have_connected_before_are_answered(server: FunctionServer) -> None:
    worker = server.worker
    os.kill(worker, signal.SIGSTOP)
    wait_for(lambda: status_of(worker)["State"].startswith("T"), "its worker stands still")
    with ExitStack() as stack:
        line = [stack.enter_context(server.connect("GET /_/health")) for _ in range(IN_LINE)]
        server.process.terminate()
        wait_for(lambda: int(status_of(worker)["ShdPnd"], 16) & SIGTERM_WAITS, "its worker is told to stop")
        os.kill(worker, signal.SIGCONT)
        assert [connection.recv(12) for connection in line] == [b"HTTP/1.1 200"] * IN_LINE
    assert server.process.wait(TIMEOUT_SECONDS) == 0


def test_a_connection_that_has_sent_nothing_delays_no_stop(server: FunctionServer) -> None:
    with server.open():
        wait_for(server.answers, "it is taken in")
        server.process.terminate()
        assert server.process.wait(TIMEOUT_SECONDS / 4) == 0


def test_a_stop_while_the_application_is_loaded_is_a_stop(services: Services, tmp_path: Path) -> None:
    (tmp_path / "slow_start.py").write_text(SLOW_START)
    gate, loading = tmp_path / "gate", tmp_path / "loading"
    environment = {"PYTHONPATH": str(tmp_path), "GATE": str(gate), "LOADING": str(loading)}
    server = FunctionServer("validate", services, environment, application="slow_start:app")
    try:
        wait_for(loading.exists, "it loads the application")
        server.process.terminate()
        gate.touch()
        assert server.process.wait(TIMEOUT_SECONDS) == 0
        assert "Traceback" not in server.log.read_text()
    finally:
        server.stop()


def has_a_row(services: Services) -> bool:
    with services.database.read() as connection:
        return connection.execute(sa.select(table.c.id)).first() is not None


def status_of(pid: int) -> dict[str, str]:
    """Return what Linux tells of a process (proc_pid_status(5))."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
