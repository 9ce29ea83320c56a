"""Two functions that subscribe to one topic each receive every event, and neither repeats the other's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from devservers.waiting import wait_for
from soundlift.common.broker import Broker
from soundlift.common.events import MP3_READY
from tests.connector.conftest import Connector
from tests.connector.events import event
from tests.connector.gateway import Gateway, convert, empty, in_turn, refusing
from tests.factories.brokers import FAN_OUT_ROUTES
from tests.factories.queues import Queues, dead_letter

TOPICS = {"video": {"video"}, "mp3": {"mp3", "audit"}}


@pytest.fixture
def broker(queues: Queues) -> Broker:
    return queues.connect(routes=FAN_OUT_ROUTES)


@pytest.fixture
def start(queues: Queues, start_connector: Callable[..., Connector]) -> Callable[..., Connector]:
    def start(**options: object) -> Connector:
        own_broker = queues.connect(concurrency=1, routes=FAN_OUT_ROUTES)
        return start_connector(own_broker=own_broker, topics=TOPICS, **options)

    return start


def subjects(gateway: Gateway, name: str) -> list[str | None]:
    return [call.event.get_subject() for call in gateway.calls_of(name)]


def test_a_reply_reaches_both_subscribers_of_its_topic_once(
    gateway: Gateway, broker: Broker, queues: Queues, start: Callable[..., Connector]
) -> None:
    gateway.deploy("convert", "video", convert)
    gateway.deploy("notify", "mp3", empty)
    gateway.deploy("audit", "mp3", empty)
    start()
    broker.publish(event("job-7"))
    wait_for(lambda: subjects(gateway, "notify") and subjects(gateway, "audit"), "both subscribers are called")
    wait_for(lambda: queues.count() == 0, "all messages are gone")
    assert [subjects(gateway, name) for name in ("convert", "notify", "audit")] == 3 * [["job-7"]]


@pytest.mark.parametrize(("failing", "healthy"), [("audit", "notify"), ("notify", "audit")])
def test_a_subscriber_that_fails_is_retried_and_the_other_is_not_called_again(
    gateway: Gateway,
    broker: Broker,
    queues: Queues,
    start: Callable[..., Connector],
    failing: str,
    healthy: str,
) -> None:
    gateway.deploy(failing, "mp3", in_turn(refusing(503), refusing(503), empty))
    gateway.deploy(healthy, "mp3", empty)
    start(attempts=5)
    broker.publish(event("job-7", MP3_READY))
    wait_for(lambda: len(gateway.calls_of(failing)) == 3, "the failing function is called again")
    wait_for(lambda: queues.count() == 0, "all messages are gone")
    assert subjects(gateway, healthy) == ["job-7"]


@pytest.mark.parametrize(("failing", "healthy", "queue"), [("audit", "notify", "audit"), ("notify", "audit", "mp3")])
def test_a_dead_letter_of_one_subscriber_is_replayed_to_that_one_alone(
    gateway: Gateway,
    broker: Broker,
    queues: Queues,
    start: Callable[..., Connector],
    failing: str,
    healthy: str,
    queue: str,
) -> None:
    gateway.deploy(failing, "mp3", in_turn(refusing(422), empty))
    gateway.deploy(healthy, "mp3", empty)
    start()
    broker.publish(event("job-7", MP3_READY))
    letter = dead_letter(broker)
    assert (letter.queue, letter.reason["function"]) == (queue, failing)
    assert broker.replay(letter.id)
    wait_for(lambda: queues.count() == 0, "all messages are gone")
    assert (subjects(gateway, failing), subjects(gateway, healthy)) == (["job-7", "job-7"], ["job-7"])
