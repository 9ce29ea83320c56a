"""A connector over RabbitMQ, with slow functions, lost connections and other connectors."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import pytest
from cloudevents.core.v1.event import CloudEvent
from structlog.testing import capture_logs
from werkzeug import Response

from devservers.forwarder import Forwarder
from devservers.rabbitmq import RabbitMq, url_through
from devservers.waiting import DEADLINE_SECONDS, wait_for
from soundlift.common.events import MP3_READY
from soundlift.common.settings import Settings
from soundlift.common.web.gunicorn_config import RELEASE_SECONDS
from soundlift.connector.__main__ import SECONDS_BEYOND_CONVERSION, SECONDS_BEYOND_DRAIN
from soundlift.connector.delivery_handler import BUSY_SECONDS
from soundlift.connector.function_client import CONNECT_SECONDS
from tests.connector.conftest import Connector
from tests.connector.events import event
from tests.connector.gateway import Gateway, empty, reply, waiting
from tests.factories.queues import RabbitMqQueues

Start = Callable[..., Connector]
over_rabbitmq = pytest.mark.parametrize("queues", [pytest.param("rabbitmq", marks=pytest.mark.servers)], indirect=True)
pytestmark = over_rabbitmq


def test_heartbeats_continue_while_a_function_takes_six_times_as_long(
    gateway: Gateway,
    queues: RabbitMqQueues,
    start_connector: Start,
    rabbitmq_forwarder: Forwarder,
    released: threading.Event,
) -> None:
    gateway.deploy("convert", "video", waiting(released))
    start_connector(own_broker=queues.connect(url=url_through(rabbitmq_forwarder, "?heartbeat=5")), timeout=60)
    queues.connect().publish(event())
    wait_for(lambda: gateway.calls, "convert is called")
    connections = rabbitmq_forwarder.accepted
    wait_for(lambda: queues.count() == 0, "the message is gone", seconds=60)
    assert (len(gateway.calls), rabbitmq_forwarder.accepted) == (1, connections)


def test_each_time_out_is_longer_than_those_it_has_to_outlast(rabbitmq_node: RabbitMq, queues: RabbitMqQueues) -> None:
    settings = Settings.from_environment({})
    consumer_timeout = rabbitmq_node.control("eval", "element(2, application:get_env(rabbit, consumer_timeout)).")
    seconds = [
        settings.max_conversion_seconds,
        settings.drain_seconds + RELEASE_SECONDS,
        settings.drain_seconds + SECONDS_BEYOND_DRAIN,
        BUSY_SECONDS + CONNECT_SECONDS + settings.max_conversion_seconds + SECONDS_BEYOND_CONVERSION,
        int(consumer_timeout) / 1000,
    ]
    assert seconds == sorted(set(seconds))


def test_only_the_unsettled_message_of_a_lost_connection_is_delivered_again(
    gateway: Gateway,
    queues: RabbitMqQueues,
    start_connector: Start,
    rabbitmq_forwarder: Forwarder,
    released: threading.Event,
) -> None:
    def convert(uploaded: CloudEvent) -> Response:
        if uploaded.get_subject() == "1":
            released.wait(30)
        return reply(event(uploaded.get_subject() or "", MP3_READY))

    gateway.deploy("convert", "video", convert)
    gateway.deploy("notify", "mp3", empty)
    start_connector(own_broker=queues.connect(url=url_through(rabbitmq_forwarder)))
    broker = queues.connect()
    for number in range(3):
        broker.publish(event(str(number)))
    wait_for(lambda: len(gateway.calls_of("convert")) == 2, "the second message is in work")
    rabbitmq_forwarder.cut()
    released.set()
    rabbitmq_forwarder.restore()
    wait_for(lambda: queues.count() == 0, "all messages are gone", seconds=60)
    calls = Counter(call.event.get_subject() for call in gateway.calls_of("convert"))
    assert (calls["0"], calls["2"]) == (1, 1)
    assert calls["1"] == 2
    assert {call.event.get_subject() for call in gateway.calls_of("notify")} == {"0", "1", "2"}


def test_several_connectors_share_the_messages_without_delivering_any_twice(
    gateway: Gateway, queues: RabbitMqQueues, start_connector: Start
) -> None:
    gateway.deploy("convert", "video", empty)
    broker = queues.connect()
    for _ in range(3):
        start_connector(concurrency=2)
    for number in range(60):
        broker.publish(event(str(number)))
    wait_for(lambda: queues.count() == 0, "all messages are gone")
    assert sorted(int(call.event.get_subject() or "") for call in gateway.calls) == list(range(60))


def test_a_message_of_knative_s_broker_is_delivered(
    gateway: Gateway, queues: RabbitMqQueues, start_connector: Start
) -> None:
    gateway.deploy("convert", "video", empty)
    start_connector()
    attributes = {"specversion": "1.0", "id": "1", "source": "/test", "type": "dev.soundlift.video.uploaded"}
    queues.put("video", b'{"job_id": "job-9"}', headers=attributes)
    [call] = wait_for(lambda: gateway.calls, "convert is called")
    assert call.event.get_data() == {"job_id": "job-9"}


def test_a_stopping_connector_leaves_the_next_message_untouched(
    gateway: Gateway, queues: RabbitMqQueues, start_connector: Start, released: threading.Event
) -> None:
    gateway.deploy("convert", "video", waiting(released))
    broker = queues.connect()
    with capture_logs() as logs:
        connector = start_connector()
        broker.publish(event("running"))
        wait_for(lambda: gateway.calls, "convert is called")
        broker.publish(event("waiting"))
        connector.begin_stop()
        wait_for(lambda: any(line["event"] == "stopping" for line in logs), "the connector stops")
    released.set()
    assert connector.stop() == 0
    delivery = queues.connect().receive(["video"], DEADLINE_SECONDS)
    assert delivery is not None
    assert delivery.attempt == 1
