"""Dead letters are listed, shown, replayed and dropped by `soundlift dead`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace

import pytest
from cloudevents.core.v1.event import CloudEvent

from soundlift.common.broker import Broker
from soundlift.common.events import VIDEO_UPLOADED
from soundlift.common.services import Services
from tests.cli.conftest import Run
from tests.factories.queues import RabbitMqQueues

pytestmark = pytest.mark.servers


@pytest.fixture(params=["file", pytest.param("rabbitmq", marks=pytest.mark.servers)])
def broker(request: pytest.FixtureRequest, services: Services) -> Iterator[Broker]:
    """Return each broker that BROKER_URL can name."""
    with ExitStack() as stack:
        if request.param == "rabbitmq":
            queues = stack.enter_context(RabbitMqQueues(request.getfixturevalue("rabbitmq_node")))
            services.settings = replace(services.settings, broker_url=queues.url)
            stack.enter_context(closing(services.broker))
        yield services.broker


def test_dead_letters_are_listed_shown_replayed_and_dropped(services: Services, broker: Broker, run: Run) -> None:
    settings = services.settings
    environment = {"SOUNDLIFT_DATA": str(settings.soundlift_data), "BROKER_URL": settings.broker_url, "COLUMNS": "200"}

    def dead(*arguments: str) -> str:
        ended = run("dead", *arguments, **environment)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    assert dead("list") == "There are no dead letters.\n"
    for number in (1, 2):
        attributes = {"specversion": "1.0", "id": f"event-{number}", "source": "/t", "type": VIDEO_UPLOADED}
        broker.publish(CloudEvent(attributes, {"job_id": "x"}))
        delivery = broker.receive(["video"], 5)
        assert delivery is not None
        broker.reject(delivery, {"function": "convert", "status": 422, "detail": "no good", "attempts": 1})
    first, second = (letter.id for letter in broker.list())
    assert all(word in dead("list") for word in ("video", "convert", "422", "no good"))
    assert all(word in dead("show", first) for word in ("event-1", "no good", "status: 422"))
    dead("replay", first)
    dead("drop", "--all")
    assert dead("list") == "There are no dead letters.\n"
    replayed = broker.receive(["video"], 5)
    assert replayed is not None
    assert b"event-1" in replayed.message.body
    assert second != first
