"""A client waits for a job with requests that the server may hold, and polls if it does not hold them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import urllib3

from soundlift.client import Client, Job
from soundlift.client import client as client_module
from soundlift.client.client import POLL_SECONDS
from soundlift.client.connection import CONNECT_SECONDS
from soundlift.common.services import Services
from tests.client.servers import Deployment
from tests.factories.jobs import queued_job, ready_job


class Clock:
    """A clock that advances only when a client sleeps or a test advances it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(services: Services, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the clock of a client whose server answers immediately."""
    services.settings = replace(services.settings, long_polls=0)
    clock = Clock()
    monkeypatch.setattr(client_module, "time", clock)
    return clock


@pytest.mark.parametrize(("wait", "sent"), [(0, "0"), (1.9, "1"), (30, "30")])
def test_the_read_timeout_is_longer_than_the_servers_wait(
    client: Client, deployment: Deployment, services: Services, monkeypatch: pytest.MonkeyPatch, wait: float, sent: str
) -> None:
    timeouts: list[urllib3.Timeout] = []
    request = urllib3.PoolManager.request

    def record(*arguments: Any, **options: Any) -> urllib3.BaseHTTPResponse:
        timeouts.append(options["timeout"])
        return request(*arguments, **options)

    monkeypatch.setattr(urllib3.PoolManager, "request", record)
    client.job(ready_job(services).id, wait=wait)
    assert deployment.requests[-1].args["wait"] == sent
    assert [(one.connect_timeout, one.read_timeout) for one in timeouts] == [(CONNECT_SECONDS, wait + 60)]


def test_progress_is_reported_after_each_poll_until_the_job_has_ended(
    client: Client, services: Services, clock: Clock
) -> None:
    row = queued_job(services)
    seen: list[str] = []

    def show(job: Job) -> None:
        seen.append(job.state)
        clock.now += 1.5
        if len(seen) == 2:
            services.jobs.cancel(row.id)

    assert client.wait(row.id, show).state == "cancelled"
    assert seen == ["queued", "queued", "cancelled"]
    assert clock.slept == [POLL_SECONDS - 1.5] * 2


@pytest.mark.parametrize(
    ("timeout", "slept", "waits"),
    [(0, [], ["0"]), (1, [1], ["1", "0"]), (2 * POLL_SECONDS + 1, [2, 2, 1], ["2", "2", "1", "0"])],
)
def test_a_job_that_has_not_ended_at_the_timeout_is_returned_after_few_polls(
    client: Client,
    deployment: Deployment,
    services: Services,
    clock: Clock,
    timeout: int,
    slept: list[float],
    waits: list[str],
) -> None:
    assert client.wait(queued_job(services).id, timeout=timeout).state == "queued"
    assert clock.slept == slept
    assert [request.args["wait"] for request in deployment.requests] == waits


def test_a_server_that_held_the_request_is_polled_again_immediately(
    client: Client, services: Services, clock: Clock
) -> None:
    def advance(job: Job) -> None:
        clock.now += POLL_SECONDS + 1

    client.wait(queued_job(services).id, advance, timeout=POLL_SECONDS + 2)
    assert clock.slept == [0]


@pytest.mark.parametrize(("timeout", "wait"), [(None, "2"), (100, "2"), (1.5, "1"), (0.5, "0"), (-1, "0")])
@pytest.mark.usefixtures("clock")
def test_the_server_is_asked_to_wait_no_longer_than_the_timeout(
    client: Client, deployment: Deployment, services: Services, timeout: float | None, wait: str
) -> None:
    client.wait(ready_job(services).id, timeout=timeout)
    assert [request.args["wait"] for request in deployment.requests] == [wait]
