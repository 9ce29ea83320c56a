"""Measures the memory of login during concurrent sign-ins."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from threading import Barrier, Thread
from urllib.parse import urlsplit

from bench.harness.comparison import Goal, Result, Row, Sample
from bench.harness.deployment import OWNER, temporary_deployment
from bench.harness.processes import Gunicorn, peak_mb, served

APPLICATION = "functions.login.handler:app"
PASSWORD = "a password of the bench"
ROUNDS = 5
PARALLEL = 64
MEMORY_LIMIT_MEBIBYTES = 256  # limits.memory of login in stack.yml
TIMEOUT_SECONDS = 120
DOCKERFILE = Path("template/python3-soundlift/Dockerfile")


def memory(row: Row) -> Result:
    """Compare the peak memory of 64 concurrent sign-ins with that of sequential ones."""
    many, single = peak_of_login(PARALLEL), peak_of_login(1)
    return Result(row, Sample(many, many), Sample(single, single), many / single)


def peak_of_login(parallel: int) -> float:
    """Return the peak memory of login in MB after several rounds of concurrent sign-ins."""
    with temporary_deployment(LOG_LEVEL="error", **memory_settings()) as deployment:
        services = deployment.services
        services.users.add(OWNER, services.passwords.hash(PASSWORD))
        with served(APPLICATION, deployment.environment) as server:
            assert _sign_in(server) == 200
            for _ in range(ROUNDS):
                _sign_in_concurrently(server, parallel)
            return peak_mb(server.worker)


def memory_settings() -> dict[str, str]:
    """Return the variables with which every function's image configures the memory allocator."""
    return dict(re.findall(r"^\s*(MALLOC_[A-Z_]+)=(\S+)", DOCKERFILE.read_text(), re.MULTILINE))


def _sign_in_concurrently(server: Gunicorn, parallel: int) -> None:
    ready = Barrier(parallel)

    def sign_in() -> None:
        ready.wait()
        _sign_in(server)

    threads = [Thread(target=sign_in) for _ in range(parallel)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _sign_in(server: Gunicorn) -> int:
    address = urlsplit(server.url)
    headers = {"Authorization": f"Basic {b64encode(f'{OWNER}:{PASSWORD}'.encode()).decode()}"}
    connection = HTTPConnection(str(address.hostname), address.port, timeout=TIMEOUT_SECONDS)
    connection.request("POST", "/", headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


ROWS: dict[Row, Callable[[Row], Result]] = {
    Row("login-memory", "MB", Goal(MEMORY_LIMIT_MEBIBYTES * 2**20 / 1e6, of="ours")): memory,
}
