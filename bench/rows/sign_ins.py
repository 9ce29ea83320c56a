"""Measures login under attack: its memory, how long failures take, and whether it delays validate."""

from __future__ import annotations

import os
import random
import re
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from itertools import count
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlsplit

import sqlalchemy as sa

from bench.harness.clients import connected
from bench.harness.comparison import Goal, Result, Row, Sample, compare
from bench.harness.deployment import OWNER, Deployment, temporary_deployment
from bench.harness.processes import Gunicorn, peak_mb, served
from soundlift.common.db.tables import attempts

LOGIN, VALIDATE = "functions.login.handler:app", "functions.validate.handler:app"
PASSWORD, WRONG = "a password of the bench", "another password"
LOCKED = "locked@example.org"
PARALLEL = 200
ROUNDS = 5
TRIES = 60
VALIDATIONS = 400
NICE = 10
CORE = {0}  # limits.cpu of login in stack.yml is one core
MEMORY_LIMIT_MEBIBYTES = 256  # limits.memory of login in stack.yml
TIMEOUT_SECONDS = 120
DOCKERFILE = Path("template/python3-soundlift/Dockerfile")


def memory(row: Row) -> Result:
    """Compare the peak memory of 200 concurrent sign-ins with that of sequential ones."""
    many, single = peak_of_login(PARALLEL), peak_of_login(1)
    return Result(row, Sample(many, many), Sample(single, single), many / single)


def peak_of_login(parallel: int) -> float:
    """Return the peak memory of login in MB after several rounds of concurrent sign-ins."""
    with serving_login() as (_, server):
        assert _sign_in(server, OWNER, PASSWORD) == 200
        for first in range(ROUNDS):
            _sign_in_together(server.url, parallel, first * parallel)
        assert _sign_in(server, OWNER, PASSWORD) == 200
        return peak_mb(server.worker)


def failure_times(row: Row) -> Result:
    """Compare the medians of an unknown account, a wrong password and a locked account: the longest, the shortest."""
    with serving_login() as (deployment, server):
        hashed = deployment.services.passwords.hash(PASSWORD)
        for number in range(TRIES):
            deployment.services.users.add(f"known{number}@example.org", hashed)
        _lock(deployment)
        times: dict[str, list[float]] = {"unknown": [], "known": [], "locked": []}
        for number in range(TRIES):
            for kind in random.sample(list(times), len(times)):
                began = time.perf_counter()
                status = _sign_in(server, LOCKED if kind == "locked" else f"{kind}{number}@example.org", WRONG)
                times[kind].append((time.perf_counter() - began) * 1000)
                assert status == (429 if kind == "locked" else 401)
    medians = {kind: median(seconds) for kind, seconds in times.items()}
    print(*(f"{kind}: {milliseconds:.1f} ms" for kind, milliseconds in medians.items()), sep=", ")
    slowest, fastest = max(medians.values()), min(medians.values())
    return Result(row, Sample(slowest), Sample(fastest), slowest / fastest)


def validate_latency(row: Row) -> Result:
    """Compare the 99th percentile of validate's times during 200 concurrent sign-ins with that without any."""
    with serving_login() as (deployment, login), served(VALIDATE, deployment.environment) as validate:
        _confine(login, CORE)
        _confine(validate, os.sched_getaffinity(0) - CORE or CORE)
        token = deployment.services.tokens.sign_in(OWNER, admin=False)

        def idle() -> Sample:
            return Sample(_percentile(validate, token))

        def attacked() -> Sample:
            with attack(login.url):
                return idle()

        return compare(row, attacked, idle)


def _confine(server: Gunicorn, cores: set[int]) -> None:
    for thread in Path(f"/proc/{server.worker}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


@contextmanager
def serving_login() -> Iterator[tuple[Deployment, Gunicorn]]:
    """Serve login with one account and the memory allocator of its image, without a limit for this machine."""
    settings = {"LOG_LEVEL": "error", "SIGN_IN_FAILURES_PER_NETWORK": "0", **memory_settings()}
    with temporary_deployment(**settings) as deployment:
        deployment.services.users.add(OWNER, deployment.services.passwords.hash(PASSWORD))
        with served(LOGIN, deployment.environment) as server:
            yield deployment, server


def memory_settings() -> dict[str, str]:
    """Return the variables with which every function's image configures the memory allocator."""
    return dict(re.findall(r"^\s*(MALLOC_[A-Z_]+)=(\S+)", DOCKERFILE.read_text(), re.MULTILINE))


@contextmanager
def attack(url: str) -> Iterator[None]:
    """Keep 200 sign-ins in progress, by a process of low priority, since attackers have machines of their own."""
    context = get_context("spawn")
    began, ended = context.Event(), context.Event()
    attacker = context.Process(target=_attack, args=(url, began, ended))
    attacker.start()
    try:
        assert began.wait(TIMEOUT_SECONDS)
        yield
    finally:
        ended.set()
        attacker.join()
    assert attacker.exitcode == 0


def _attack(url: str, began: Event, ended: Event) -> None:
    os.sched_setaffinity(0, CORE)
    os.nice(NICE)
    for turn in count():
        if ended.is_set():
            return
        _sign_in_together(url, PARALLEL, turn * PARALLEL)
        began.set()


def _sign_in_together(url: str, parallel: int, first: int) -> None:
    """Send sign-ins of different accounts at the same time, and read all responses."""
    path = urlsplit(url).path or "/"
    sockets = [connected(url) for _ in range(parallel)]
    for number, each in enumerate(sockets, first):
        header = f"Authorization: {_basic(f'{number}@example.org', WRONG)}"
        each.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{header}\r\nConnection: close\r\n\r\n".encode())
    for each in sockets:
        answer = each.recv(65536)
        assert answer.startswith((b"HTTP/1.1 401 ", b"HTTP/1.1 429 ")), answer
        each.close()


def _lock(deployment: Deployment) -> None:
    """Lock an account for the whole measurement."""
    services = deployment.services
    services.sign_in_limits.begin(LOCKED, None)
    services.database.change(sa.update(attempts).values(locked_until=attempts.c.expires_at))


def _percentile(server: Gunicorn, token: str) -> float:
    """Return the 99th percentile of the response times in milliseconds."""
    address = urlsplit(server.url)
    connection = HTTPConnection(str(address.hostname), address.port, timeout=TIMEOUT_SECONDS)
    times = []
    for _ in range(VALIDATIONS):
        began = time.perf_counter()
        connection.request("GET", "/", headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        answer.read()
        times.append((time.perf_counter() - began) * 1000)
        assert answer.status == 200
    connection.close()
    return quantiles(times, n=100)[98]


def _sign_in(server: Gunicorn, email: str, password: str) -> int:
    address = urlsplit(server.url)
    connection = HTTPConnection(str(address.hostname), address.port, timeout=TIMEOUT_SECONDS)
    connection.request("POST", "/", headers={"Authorization": _basic(email, password)})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def _basic(email: str, password: str) -> str:
    return f"Basic {b64encode(f'{email}:{password}'.encode()).decode()}"


ROWS: dict[Row, Callable[[Row], Result]] = {
    Row("login-memory", "MB", Goal(MEMORY_LIMIT_MEBIBYTES * 2**20 / 1e6, of="ours")): memory,
    Row("login-failures", "ms", Goal(1.1)): failure_times,
    Row("validate-during-logins", "ms", Goal(2)): validate_latency,
}
