"""Measures how long login and validate take while hundreds of clients, each at its own address, send or read slowly.

No proxy is in front, and the local gateway serves all functions in one process: any other deployment separates them.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import urllib3

from bench.harness.comparison import Goal, Result, Row, Sample, compare
from bench.harness.deployment import OWNER, Deployment, temporary_deployment
from bench.harness.processes import Gunicorn, Memory, served
from bench.harness.slow_clients import SlowClients
from bench.inputs.clips import compressed
from bench.rows.transfers import ready_job
from soundlift.local.supervisor import gateway_threads

PASSWORD = "a password of the bench"
GATEWAY = "soundlift.local.gateway:gateway()"
SETTINGS = {"BASIC_AUTH_USER": "admin", "BASIC_AUTH_PASSWORD": PASSWORD, "CONNECTIONS_PER_ADDRESS": "16"}
MP3_MEGABYTES = 20
SETTLE_SECONDS = 3.0
REQUESTS = 10
ROUNDS = 3
TIMEOUT_SECONDS = 60
VIDEO = b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41" + bytes(1000)


@dataclass(frozen=True)
class Target:
    """A gateway under attack, with a user."""

    deployment: Deployment
    gateway: Gunicorn

    @property
    def token(self) -> bytes:
        """Return the user's Authorization field."""
        return f"Authorization: Bearer {self.deployment.services.tokens.sign_in(OWNER, admin=False)}\r\n".encode()

    def attack(self, count: int, line: str, fields: bytes, *, dripped: bytes = b"") -> SlowClients:
        """Return clients that begin a request, and then send `dripped` each second."""
        return SlowClients(self.gateway.url, count, f"{line} HTTP/1.1\r\nHost: a\r\n".encode() + fields, dripped)


Attack = Callable[[Target], SlowClients]


def heads(target: Target, count: int = 500) -> SlowClients:
    """Return clients that send a byte of their headers each second."""
    return target.attack(count, "POST /login", b"X-Slow: ", dripped=b"a")


def bodies(target: Target, count: int = 500) -> SlowClients:
    """Return clients that send a byte of a chunked body each second."""
    return target.attack(count, "POST /login", b"Transfer-Encoding: chunked\r\n\r\n4000\r\n", dripped=b"a")


def uploads(target: Target, count: int = 200) -> SlowClients:
    """Return uploads at 1 kB/s, which is just fast enough."""
    fields = target.token + b"Content-Length: 900000000\r\n\r\n" + VIDEO
    return target.attack(count, "POST /upload", fields, dripped=bytes(1100))


def readers(target: Target, count: int = 500) -> SlowClients:
    """Return clients that request a large file and read none of it."""
    job = ready_job(target.deployment, compressed(MP3_MEGABYTES))
    return target.attack(count, f"GET /download?job={job}", target.token + b"\r\n")


def waits(target: Target, count: int = 300) -> SlowClients:
    """Return clients that each wait for a job, and repeat their request each second."""
    job = target.deployment.queued_job(compressed(MP3_MEGABYTES))
    request = f"GET /jobs/{job.id}?wait=60 HTTP/1.1\r\nHost: a\r\n".encode() + target.token + b"\r\n"
    return SlowClients(target.gateway.url, count, request, request)


def connections(target: Target) -> SlowClients:
    """Return 1,500 clients that send nothing: more than the gateway keeps."""
    return SlowClients(target.gateway.url, 1500, b"")


def measure(row: Row, kinds: Sequence[Attack]) -> Result:
    """Compare the longest of several requests to login and validate during simultaneous attacks with that before."""
    with temporary_deployment(LOG_LEVEL="error") as deployment:
        services = deployment.services
        services.users.add(OWNER, services.passwords.hash(PASSWORD))
        threads = {"GUNICORN_CMD_ARGS": f"--threads {gateway_threads(services.settings)}"}
        with served(GATEWAY, {**deployment.environment, **SETTINGS, **threads}) as gateway:
            target = Target(deployment, gateway)
            attacks = [attack(target) for attack in kinds]

            def before() -> Sample:
                with Memory(gateway.worker) as memory:
                    return Sample(_longest(target), memory.peak_mb)

            def during() -> Sample:
                with ExitStack() as stack:
                    for clients in attacks:
                        stack.enter_context(clients.attacking())
                    memory = stack.enter_context(Memory(gateway.worker))
                    time.sleep(SETTLE_SECONDS)
                    return Sample(_longest(target), memory.peak_mb)

            return compare(row, during, before)


def _longest(target: Target) -> float:
    """Return the longest time in milliseconds in which a new connection to login or validate is answered."""
    basic = b64encode(f"{OWNER}:{PASSWORD}".encode()).decode()
    bearer = target.token.decode().partition(": ")[2].strip()
    requests = {"login": f"Basic {basic}", "validate": bearer}
    return max(
        _time(f"{target.gateway.url}/{name}", value) for _ in range(REQUESTS) for name, value in requests.items()
    )


def _time(url: str, authorization: str) -> float:
    headers = {"Authorization": authorization, "Connection": "close"}
    began = time.perf_counter()
    answer = urllib3.request("POST", url, headers=headers, retries=False, timeout=TIMEOUT_SECONDS)
    assert answer.status == 200, answer.data
    return (time.perf_counter() - began) * 1000


ATTACKS: dict[str, Sequence[Attack]] = {
    "greedy-heads": [heads],
    "greedy-bodies": [bodies],
    "greedy-uploads": [uploads],
    "greedy-readers": [readers],
    "greedy-waits": [waits],
    "greedy-connections": [connections],
    "greedy-all": [partial(attack, count=150) for attack in (heads, bodies, uploads, readers, waits)],
}
ROWS: dict[Row, Callable[[Row], Result]] = {
    Row(name, "ms", Goal(1000, of="ours"), ROUNDS, warm_up=0): partial(measure, kinds=kinds)
    for name, kinds in ATTACKS.items()
}
