"""After a delivery its reply is published, its message is settled, and the log says so."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.v1.event import CloudEvent
from werkzeug import Response

from devservers.waiting import wait_for
from soundlift.common.broker import Broker, Delivery
from soundlift.common.broker.sqlite import SqliteBroker
from soundlift.common.errors import BrokerUnavailable
from soundlift.common.events import MP3_READY, STRUCTURED, VIDEO_UPLOADED
from soundlift.connector import delivery_handler
from tests.connector.conftest import Connector, over_a_file
from tests.connector.events import TRACEPARENT, event
from tests.connector.gateway import Function, Gateway, convert, empty, in_turn, refusing, reply
from tests.factories.brokers import ROUTES
from tests.factories.queues import Queues, dead_letter

Start = Callable[..., Connector]


def test_a_reply_is_published_and_delivered_to_its_own_function(
    gateway: Gateway, broker: Broker, start_connector: Start, queues: Queues
) -> None:
    gateway.deploy("convert", "video", convert)
    gateway.deploy("notify", "mp3", empty)
    start_connector()
    broker.publish(event("job-7"))
    wait_for(lambda: gateway.calls_of("notify"), "notify is called")
    wait_for(lambda: queues.count() == 0, "both messages are gone")
    assert [(call.name, call.event.get_type(), call.event.get_subject()) for call in gateway.calls] == [
        ("convert", VIDEO_UPLOADED, "job-7"),
        ("notify", MP3_READY, "job-7"),
    ]


def logged(what: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the first line that says something and has not been read yet."""
    said = ""

    def find() -> str | None:
        nonlocal said
        said += capsys.readouterr().out
        return next((line for line in said.splitlines() if what in line), None)

    return wait_for(find, f"{what} is logged")


@pytest.mark.parametrize("subject", ["job-7", None])
def test_the_log_names_the_job_the_trace_and_the_function(
    gateway: Gateway,
    broker: Broker,
    start_connector: Start,
    capsys: pytest.CaptureFixture[str],
    subject: str | None,
) -> None:
    gateway.deploy("convert", "video", empty)
    start_connector()
    given = event("job-7")
    attributes = {name: value for name, value in given.get_attributes().items() if name != "subject" or subject}
    broker.publish(CloudEvent(attributes, {} if subject else given.get_data()))
    line = logged("delivered", capsys)
    assert all(part in line for part in ("job-7", TRACEPARENT.split("-")[1], "convert", "204"))


def test_the_log_of_an_unreadable_message_does_not_name_the_job_of_another(
    gateway: Gateway,
    broker: Broker,
    start_connector: Start,
    queues: Queues,
    capsys: pytest.CaptureFixture[str],
) -> None:
    gateway.deploy("convert", "video", empty)
    start_connector()
    broker.publish(event("job-7"))
    assert "job-7" in logged("delivered", capsys)
    queues.put("video", b"no event")
    line = logged("dead letter", capsys)
    assert "convert" in line
    assert not any(part in line for part in ("job-7", TRACEPARENT.split("-")[1]))


def test_an_unreadable_reply_is_retried(
    gateway: Gateway, broker: Broker, start_connector: Start, queues: Queues
) -> None:
    def garbled(given: CloudEvent) -> Response:
        return Response(b"{", content_type=STRUCTURED)

    gateway.deploy("convert", "video", in_turn(garbled, empty))
    start_connector()
    broker.publish(event())
    wait_for(lambda: queues.count() == 0, "the message is gone")
    assert len(gateway.calls) == 2


class Away(SqliteBroker):
    """A broker that is unavailable for the first attempts to settle a message."""

    refusals = 3

    def accept(self, delivery: Delivery) -> None:
        self._refuse()
        super().accept(delivery)

    def retry(self, delivery: Delivery, *, delay: float) -> None:
        self._refuse()
        super().retry(delivery, delay=delay)

    def reject(self, delivery: Delivery, reason: Mapping[str, Any]) -> None:
        self._refuse()
        super().reject(delivery, reason)

    def _refuse(self) -> None:
        self.refusals -= 1
        if self.refusals >= 0:
            raise BrokerUnavailable("It is away.")


@over_a_file
@pytest.mark.parametrize(
    ("convert", "calls", "left"),
    [(empty, 1, 0), (in_turn(refusing(503), empty), 2, 0), (refusing(422), 1, 1)],
    ids=["accept", "retry", "reject"],
)
def test_a_message_is_settled_as_soon_as_the_broker_is_back(
    gateway: Gateway,
    broker: Broker,
    start_connector: Start,
    queues: Queues,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    convert: Function,
    calls: int,
    left: int,
) -> None:
    monkeypatch.setattr(delivery_handler, "PAUSE_SECONDS", 0.01)
    gateway.deploy("convert", "video", convert)
    start_connector(own_broker=Away(tmp_path / "queue.db", ROUTES))
    broker.publish(event())
    wait_for(lambda: queues.count() == len(list(broker.list())) == left, "the message is settled")
    assert len(gateway.calls) == calls


@over_a_file
def test_a_message_is_redelivered_until_its_reply_can_be_published(
    gateway: Gateway, broker: Broker, start_connector: Start, tmp_path: Path
) -> None:
    gateway.deploy("convert", "video", convert)
    away = tmp_path / "away" / "queue.db"
    replies = SqliteBroker(away, ROUTES)
    start_connector(publisher=replies, attempts=100)
    broker.publish(event())
    wait_for(lambda: len(gateway.calls) > 1, "the message is delivered again")
    away.parent.mkdir()
    delivery = wait_for(lambda: SqliteBroker(away, ROUTES).receive(["mp3"], 0), "the reply is published")
    assert json.loads(delivery.message.body)["type"] == MP3_READY


def test_a_message_whose_reply_has_no_queue_ends_as_a_dead_letter(
    gateway: Gateway, broker: Broker, start_connector: Start
) -> None:
    gateway.deploy("convert", "video", lambda given: reply(event(event_type="org.example.unknown")))
    start_connector(attempts=2)
    broker.publish(event())
    reason = dead_letter(broker).reason
    assert (reason["status"], reason["attempts"]) == (200, 2)
    assert "could not be published" in reason["detail"]
