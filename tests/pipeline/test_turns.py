"""A backlog of one user delays no other user, over every queue, and every job of it ends."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from devservers.availability import is_usable
from devservers.local_stack import Start
from devservers.rabbitmq import RabbitMq
from devservers.waiting import wait_for
from soundlift.common.events import event_for
from soundlift.common.jobs.model import State
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.factories.accounts import SECRET
from tests.factories.clips import talking_mp4
from tests.factories.jobs import is_notified, job_now, queued_job

ADA, BOB = "ada@example.org", "bob@example.org"
BACKLOG = 8
CONVERSIONS = 2  # at a time


@pytest.fixture(params=["file", "rabbitmq"])
def servers(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the settings of a stack whose queue is in a file or in RabbitMQ."""
    if request.param == "file":
        return {}
    node: RabbitMq = request.getfixturevalue("rabbitmq_node")
    return {"BROKER_URL": node.new_virtual_host()}


@pytest.fixture
def services_of_stack(empty_database: Path, tmp_path: Path, servers: dict[str, str]) -> Iterator[Services]:
    """Return the services of a stack that has not been started."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    shutil.copy(empty_database, data / "soundlift.db")
    services = Services(Settings.from_environment({**servers, "SOUNDLIFT_DATA": str(data), "JWT_SECRET": SECRET}))
    with closing(services.broker):
        yield services
    services.database.engine.dispose()


def test_the_job_of_another_user_is_converted_among_the_first_of_a_backlog(
    services_of_stack: Services, servers: dict[str, str], start: Start, tmp_path: Path
) -> None:
    services, video = services_of_stack, talking_mp4(tmp_path).read_bytes()
    backlog = [queued_job(services, video, email=ADA) for _ in range(BACKLOG)]
    mine = queued_job(services, video, email=BOB)
    wait_for(lambda: is_usable(services.broker), "the broker answers")
    for job in (*backlog, mine):
        services.publisher.publish(event_for(job))
    limits = {"CONNECTOR_CONCURRENCY": str(CONVERSIONS), "CONVERT_CONCURRENCY": str(CONVERSIONS)}
    start(services.settings.soundlift_data, **servers, **limits)
    jobs = (*backlog, mine)
    wait_for(lambda: all(job_now(services, job.id).ended for job in jobs), "every job ends", seconds=120)
    ended = sorted((job_now(services, job.id) for job in jobs), key=lambda job: job.ended_at or 0)
    assert [job.state for job in ended] == [State.READY] * len(jobs)
    assert [job.username for job in ended].index(BOB) <= 2 + CONVERSIONS
    wait_for(lambda: all(is_notified(services, job.id) for job in jobs), "every owner is notified", seconds=60)
