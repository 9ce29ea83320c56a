"""A message is carried to its function until there is a verdict, and none is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cloudevents.core.v1.event import CloudEvent
from structlog.testing import capture_logs
from werkzeug import Response

from soundlift.common.broker import Broker, DeadLetter
from soundlift.common.broker.sqlite import SqliteBroker
from soundlift.common.events import MP3_READY, STRUCTURED, VIDEO_UPLOADED
from tests.connector.conftest import Connector, over_a_file
from tests.connector.events import TRACEPARENT, event
from tests.connector.gateway import Gateway, empty, in_turn, refusing, reply
from tests.connector.queues import Queues
from tests.contract.maker import ROUTES
from tests.parts import wait_for

Start = Callable[..., Connector]


def convert(uploaded: CloudEvent) -> Response:
    """Answer as convert does."""
    return reply(event(uploaded.get_subject() or "", MP3_READY))


def dead_letter(broker: Broker) -> DeadLetter:
    return wait_for(lambda: next(broker.list(), None), "there is a dead letter")


def test_a_reply_is_published_and_reaches_its_own_function_and_both_messages_are_gone(
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


def test_an_event_is_sent_in_structured_mode_with_its_trace(
    gateway: Gateway, broker: Broker, start_connector: Start
) -> None:
    gateway.deploy("convert", "video", empty)
    start_connector()
    broker.publish(event())
    [call] = wait_for(lambda: gateway.calls, "convert is called")
    assert (call.headers["Content-Type"], call.headers["Traceparent"]) == (STRUCTURED, TRACEPARENT)
    assert call.event.get_data() == {"job_id": "job-1"}


def test_the_log_carries_the_job_the_trace_and_the_function(
    gateway: Gateway, broker: Broker, start_connector: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.deploy("convert", "video", empty)
    start_connector()
    broker.publish(event("job-7"))
    said = ""

    def delivered() -> str | None:
        nonlocal said
        said += capsys.readouterr().out
        return next((line for line in said.splitlines() if "delivered" in line), None)

    line = wait_for(delivered, "the delivery is logged")
    assert all(part in line for part in ("job-7", TRACEPARENT.split("-")[1], "convert", "204"))


def test_503_with_retry_after_is_tried_again_not_sooner(
    gateway: Gateway, broker: Broker, start_connector: Start, queues: Queues
) -> None:
    gateway.deploy("convert", "video", in_turn(refusing(503, Retry_After="1"), empty))
    start_connector()
    broker.publish(event())
    wait_for(lambda: queues.count() == 0, "the message is gone")
    first, second = gateway.calls
    assert second.at - first.at >= 0.6  # the longest delay there is


@pytest.mark.parametrize("status", [302, 404, 500])
def test_what_may_pass_is_tried_again(
    gateway: Gateway, broker: Broker, start_connector: Start, queues: Queues, status: int
) -> None:
    gateway.deploy("convert", "video", in_turn(refusing(status, Location="/function/elsewhere"), empty))
    start_connector()
    broker.publish(event())
    wait_for(lambda: queues.count() == 0, "the message is gone")
    assert [call.name for call in gateway.calls] == ["convert", "convert"]


def test_a_gateway_that_is_away_is_tried_again_until_it_is_back(
    gateway: Gateway, broker: Broker, start_connector: Start, queues: Queues
) -> None:
    gateway.deploy("convert", "video", empty)
    start_connector(attempts=100)
    broker.publish(event("before"))
    wait_for(lambda: queues.count() == 0, "the first message is gone")
    with capture_logs() as logs:
        gateway.stop()
        broker.publish(event("after"))
        wait_for(lambda: any(line["event"] == "delivery waits" for line in logs), "the delivery is put off")
    gateway.start()
    wait_for(lambda: queues.count() == 0, "the second message is gone")
    assert [call.event.get_subject() for call in gateway.calls] == ["before", "after"]


def test_a_refusal_is_a_dead_letter_that_says_why(gateway: Gateway, broker: Broker, start_connector: Start) -> None:
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


def test_a_message_tried_often_enough_is_a_dead_letter(
    gateway: Gateway, broker: Broker, start_connector: Start
) -> None:
    gateway.deploy("convert", "video", refusing(503))
    start_connector(attempts=2)
    broker.publish(event())
    reason = dead_letter(broker).reason
    assert (reason["status"], reason["attempts"], len(gateway.calls)) == (503, 2, 2)


def test_a_replayed_dead_letter_is_delivered_as_new(
    gateway: Gateway, broker: Broker, start_connector: Start, queues: Queues
) -> None:
    gateway.deploy("convert", "video", in_turn(refusing(422), refusing(503), empty))
    start_connector(attempts=2)
    broker.publish(event())
    assert broker.replay(dead_letter(broker).id)
    wait_for(lambda: queues.count() == 0, "the message is gone")


def test_a_message_that_is_no_event_is_a_dead_letter_and_reaches_no_function(
    gateway: Gateway, broker: Broker, start_connector: Start, queues: Queues
) -> None:
    gateway.deploy("convert", "video", empty)
    queues.put("video", b'{"video_fid": "1"}')
    start_connector()
    reason = dead_letter(broker).reason
    assert (reason["function"], reason["status"], reason["attempts"]) == ("convert", None, 1)
    assert "CloudEvent" in reason["detail"]
    assert gateway.calls == []


def test_an_unreadable_reply_is_tried_again(
    gateway: Gateway, broker: Broker, start_connector: Start, queues: Queues
) -> None:
    def garbled(given: CloudEvent) -> Response:
        return Response(b"{", content_type=STRUCTURED)

    gateway.deploy("convert", "video", in_turn(garbled, empty))
    start_connector()
    broker.publish(event())
    wait_for(lambda: queues.count() == 0, "the message is gone")
    assert len(gateway.calls) == 2


@over_a_file
def test_the_message_stays_until_its_reply_can_be_published(
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


def test_a_reply_that_no_queue_takes_ends_as_a_dead_letter(
    gateway: Gateway, broker: Broker, start_connector: Start
) -> None:
    gateway.deploy("convert", "video", lambda given: reply(event(event_type="org.example.unknown")))
    start_connector(attempts=2)
    broker.publish(event())
    reason = dead_letter(broker).reason
    assert (reason["status"], reason["attempts"]) == (200, 2)
    assert "could not be published" in reason["detail"]
