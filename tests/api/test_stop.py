"""The shutdown of a function: connected clients are answered, later ones are refused."""

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

WAITING_CLIENTS = 5
SLOW_START = """
import os, pathlib, time
pathlib.Path(os.environ["LOADING"]).touch()
while not pathlib.Path(os.environ["GATE"]).exists():
    time.sleep(0.01)
from functions.validate.handler import app
"""
SIGTERM_PENDING = 1 << (signal.SIGTERM - 1)  # the bit in ShdPnd


@pytest.fixture
def server(services: Services) -> Iterator[FunctionServer]:
    with served("upload", services) as server:
        yield server


def test_a_request_in_progress_is_finished_and_new_clients_are_refused(
    server: FunctionServer, services: Services
) -> None:
    video = MP4 + bytes(4 * 2**20)
    headers = {**bearer(services), "Content-Length": str(len(video))}
    with server.connect("POST /", headers, video[: len(video) // 2]) as upload:
        wait_for(lambda: has_job(services), "the upload is in progress")
        server.process.terminate()
        wait_for(server.refuses, "the function stops listening")
        upload.sendall(video[len(video) // 2 :])
        assert upload.recv(12) == b"HTTP/1.1 202"
    assert server.process.wait(TIMEOUT_SECONDS) == 0


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="only Linux reports the pending signals of a process"
)
def test_clients_that_have_connected_before_the_stop_are_answered(server: FunctionServer) -> None:
    worker = server.worker
    os.kill(worker, signal.SIGSTOP)
    wait_for(lambda: read_status(worker)["State"].startswith("T"), "the worker is paused")
    with ExitStack() as stack:
        connections = [stack.enter_context(server.connect("GET /_/health")) for _ in range(WAITING_CLIENTS)]
        server.process.terminate()
        wait_for(lambda: int(read_status(worker)["ShdPnd"], 16) & SIGTERM_PENDING, "the worker has a pending SIGTERM")
        os.kill(worker, signal.SIGCONT)
        assert [connection.recv(12) for connection in connections] == [b"HTTP/1.1 200"] * WAITING_CLIENTS
    assert server.process.wait(TIMEOUT_SECONDS) == 0


def test_an_idle_connection_does_not_delay_the_stop(server: FunctionServer) -> None:
    with server.open():
        wait_for(server.answers, "the connection is accepted")
        server.process.terminate()
        assert server.process.wait(TIMEOUT_SECONDS / 4) == 0


def test_a_stop_during_the_loading_of_the_application_takes_effect(services: Services, tmp_path: Path) -> None:
    (tmp_path / "slow_start.py").write_text(SLOW_START)
    gate, loading = tmp_path / "gate", tmp_path / "loading"
    environment = {"PYTHONPATH": str(tmp_path), "GATE": str(gate), "LOADING": str(loading)}
    server = FunctionServer("validate", services, environment, application="slow_start:app")
    try:
        wait_for(loading.exists, "the application is being loaded")
        server.process.terminate()
        gate.touch()
        assert server.process.wait(TIMEOUT_SECONDS) == 0
        assert "Traceback" not in server.log.read_text()
    finally:
        server.stop()


def has_job(services: Services) -> bool:
    with services.database.read() as connection:
        return connection.execute(sa.select(table.c.id)).first() is not None


def read_status(pid: int) -> dict[str, str]:
    """Return the status of a process on Linux (proc_pid_status(5))."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
