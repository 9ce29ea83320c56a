"""A failed delivery is retried, and its message is a dead letter after a permanent failure or the last attempt."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cloudevents.core.v1.event import CloudEvent
from structlog.testing import capture_logs

from devservers.waiting import wait_for
from soundlift.common.broker import Broker
from soundlift.common.broker.sqlite import SqliteBroker
from soundlift.connector import delivery_handler
from tests.connector.conftest import Connector, over_a_file
from tests.connector.events import event
from tests.connector.gateway import Gateway, convert, empty, in_turn, refusing
from tests.factories.brokers import ROUTES
from tests.factories.queues import Queues, dead_letter

Start = Callable[..., Connector]


def test_retry_after_is_honoured(gateway: Gateway, broker: Broker, start_connector: Start, queues: Queues) -> None:
    gateway.deploy("convert", "video", in_turn(refusing(503, Retry_After="1"), empty))
    start_connector()
    broker.publish(event())
    wait_for(lambda: queues.count() == 0, "the message is gone")
    first, second = gateway.calls
    assert second.at - first.at >= 0.6  # the longest delay there is


def test_a_function_at_its_concurrency_limit_is_called_again_as_the_same_attempt(
    gateway: Gateway, broker: Broker, start_connector: Start, queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_handler, "BUSY_PAUSE_SECONDS", 0.01)
    busy = refusing(429, Retry_After="1")
    gateway.deploy("convert", "video", in_turn(busy, busy, refusing(429), empty))
    start_connector(attempts=1)
    broker.publish(event())
    wait_for(lambda: queues.count() == 0, "the message is gone")
    assert (len(gateway.calls), list(broker.list())) == (4, [])


@pytest.mark.parametrize(("busy_seconds", "retry_after"), [(0, "1"), (60, "30")], ids=["too long", "one event"])
def test_a_message_gives_up_the_slot_that_will_not_be_free_soon(
    gateway: Gateway,
    broker: Broker,
    start_connector: Start,
    monkeypatch: pytest.MonkeyPatch,
    busy_seconds: float,
    retry_after: str,
) -> None:
    monkeypatch.setattr(delivery_handler, "BUSY_SECONDS", busy_seconds)
    gateway.deploy("convert", "video", refusing(429, Retry_After=retry_after))
    start_connector(attempts=1)
    broker.publish(event())
    assert (dead_letter(broker).reason["status"], len(gateway.calls)) == (429, 1)


@over_a_file
def test_a_stopping_connector_does_not_wait_for_a_function_at_its_concurrency_limit(
    gateway: Gateway, broker: Broker, start_connector: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_handler, "BUSY_PAUSE_SECONDS", 0.01)
    gateway.deploy("convert", "video", refusing(429))
    connector = start_connector(attempts=1, drain_seconds=60)
    broker.publish(event())
    wait_for(lambda: len(gateway.calls) > 2, "convert is called again")
    assert connector.stop() == 0
    assert broker.receive(["video"], 0) is not None, "another connector gets the message at once"


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_temporary_failure_is_retried(
    gateway: Gateway, broker: Broker, start_connector: Start, queues: Queues, status: int
) -> None:
    gateway.deploy("convert", "video", in_turn(refusing(status, Location="/function/elsewhere"), empty))
    start_connector()
    broker.publish(event())
    wait_for(lambda: queues.count() == 0, "the message is gone")
    assert [call.name for call in gateway.calls] == ["convert", "convert"]


def test_deliveries_are_retried_until_an_unreachable_gateway_is_back(
    gateway: Gateway, broker: Broker, start_connector: Start, queues: Queues
) -> None:
    gateway.deploy("convert", "video", empty)
    start_connector(attempts=100)
    broker.publish(event("before"))
    wait_for(lambda: queues.count() == 0, "the first message is gone")
    with capture_logs() as logs:
        gateway.stop()
        broker.publish(event("after"))
        wait_for(lambda: any(line["event"] == "delivery will be retried" for line in logs), "the delivery is put off")
    gateway.start()
    wait_for(lambda: queues.count() == 0, "the second message is gone")
    assert [call.event.get_subject() for call in gateway.calls] == ["before", "after"]


def test_a_refused_message_is_a_dead_letter_with_the_reason(
    gateway: Gateway, broker: Broker, start_connector: Start
) -> None:
    gateway.deploy("convert", "video", refusing(422))
    start_connector()
    broker.publish(event())
    letter = dead_letter(broker)
    reason = dict(letter.reason)
    at = datetime.fromisoformat(reason.pop("at"))
    assert timedelta(0) <= datetime.now(UTC) - at < timedelta(minutes=1)
    assert reason == {"function": "convert", "status": 422, "detail": "This will not do.", "attempts": 1}
    assert letter.queue == "video"
    assert json.loads(letter.message.body)["subject"] == "job-1"


def test_a_message_is_a_dead_letter_after_its_last_attempt(
    gateway: Gateway, broker: Broker, start_connector: Start
) -> None:
    gateway.deploy("convert", "video", refusing(503))
    start_connector(attempts=2)
    broker.publish(event())
    reason = dead_letter(broker).reason
    assert (reason["status"], reason["attempts"], len(gateway.calls)) == (503, 2, 2)


def test_a_replayed_dead_letter_is_delivered_as_a_new_message(
    gateway: Gateway, broker: Broker, start_connector: Start, queues: Queues
) -> None:
    gateway.deploy("convert", "video", in_turn(refusing(422), refusing(503), empty))
    start_connector(attempts=2)
    broker.publish(event())
    assert broker.replay(dead_letter(broker).id)
    wait_for(lambda: queues.count() == 0, "the message is gone")


def test_a_message_that_is_not_an_event_is_a_dead_letter_and_reaches_no_function(
    gateway: Gateway, broker: Broker, start_connector: Start, queues: Queues
) -> None:
    gateway.deploy("convert", "video", empty)
    queues.put("video", b'{"video_fid": "1"}')
    start_connector()
    reason = dead_letter(broker).reason
    assert (reason["function"], reason["status"], reason["attempts"]) == ("convert", None, 1)
    assert "CloudEvent" in reason["detail"]
    assert gateway.calls == []


class Broken(SqliteBroker):
    """A broker with a bug."""

    def publish(self, event: CloudEvent) -> None:
        raise RuntimeError("nobody has thought of this")


@over_a_file
def test_an_unexpected_error_is_retried_and_ends_as_a_dead_letter(
    gateway: Gateway, broker: Broker, start_connector: Start, tmp_path: Path
) -> None:
    gateway.deploy("convert", "video", convert)
    start_connector(publisher=Broken(tmp_path / "other.db", ROUTES), attempts=2)
    broker.publish(event())
    reason = dead_letter(broker).reason
    assert (reason["attempts"], len(gateway.calls)) == (2, 2)
    assert "nobody has thought of this" in reason["detail"]
