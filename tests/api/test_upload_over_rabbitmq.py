"""Uploads while RabbitMQ is unavailable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pika
import pytest

from devservers.availability import is_usable
from devservers.forwarder import Forwarder
from devservers.rabbitmq import RabbitMq, connect_broker, url_through
from devservers.waiting import wait_for
from soundlift.common.broker import DELAYS
from soundlift.common.broker.rabbitmq import RabbitMqBroker
from soundlift.common.broker.rabbitmq.topology import Topology
from soundlift.common.broker.routes import queues_by_event_type
from soundlift.common.events import from_message, job_id_from
from soundlift.common.services import Services
from tests.factories.accounts import bearer
from tests.factories.jobs import MP4
from tests.fixtures.functions import Call


@pytest.fixture
def over_rabbitmq(
    services: Services, rabbitmq_node: RabbitMq, rabbitmq_forwarder: Forwarder
) -> Iterator[RabbitMqBroker]:
    """Make the services publish to RabbitMQ through the forwarder, and return a direct connection."""
    services.settings = replace(services.settings, broker_url=url_through(rabbitmq_forwarder))
    topology = Topology(queues_by_event_type(services.settings), DELAYS, "quorum")
    with closing(connect_broker(rabbitmq_node.url, topology)) as other, closing(services.broker):
        wait_for(lambda: is_usable(services.broker), "the broker is reached")
        yield other
    rabbitmq_node.delete(topology)


@pytest.mark.parametrize("failure", ["unreachable", "hanging", "without the queue"])
def test_an_upload_is_accepted_without_rabbitmq_and_published_later(
    function: Call,
    services: Services,
    rabbitmq_node: RabbitMq,
    rabbitmq_forwarder: Forwarder,
    over_rabbitmq: RabbitMqBroker,
    failure: str,
) -> None:
    if failure == "unreachable":
        rabbitmq_forwarder.cut()
        wait_for(lambda: not is_usable(services.broker), "the connection is lost")
    elif failure == "hanging":
        rabbitmq_forwarder.hang()
    else:
        with pika.BlockingConnection(pika.URLParameters(rabbitmq_node.url)) as connection:
            connection.channel().queue_delete("video")
    answer = function("upload").post("/", data=MP4, headers=bearer(services))
    assert answer.status_code == 202
    assert [job.id for job in services.jobs.due()] == [answer.json["job_id"]]
    rabbitmq_forwarder.restore()
    wait_for(lambda: is_usable(services.broker), "the broker is reached again")
    wait_for(lambda: function("cleanup").post("/").json["sent"], "the event is sent")
    delivery = over_rabbitmq.receive(["video"], 10)
    assert delivery is not None
    assert job_id_from(from_message(delivery.message)) == answer.json["job_id"]
