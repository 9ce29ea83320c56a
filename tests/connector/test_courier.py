"""A message is carried to its function until there is a verdict, and none is lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.v1.event import CloudEvent
from structlog.testing import capture_logs
from werkzeug import Response

from devservers.waiting import wait_for
from soundlift.common.broker import Broker, DeadLetter, Delivery
from soundlift.common.broker.sqlite import SqliteBroker
from soundlift.common.errors import BrokerUnavailable
from soundlift.common.events import MP3_READY, STRUCTURED, VIDEO_UPLOADED
from soundlift.connector import courier
from soundlift.connector.calls import LARGEST_REPLY, Caller
from tests.connector.conftest import Connector, over_a_file
from tests.connector.events import TRACEPARENT, event
from tests.connector.gateway import Function, Gateway, empty, in_turn, refusing, reply, waiting
from tests.factories.brokers import ROUTES
from tests.factories.queues import Queues

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


def logged(what: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the first line that says something and has not been read yet."""
    said = ""

    def find() -> str | None:
        nonlocal said
        said += capsys.readouterr().out
        return next((line for line in said.splitlines() if what in line), None)

    return wait_for(find, f"{what} is logged")


@pytest.mark.parametrize("subject", ["job-7", None])
def test_the_log_carries_the_job_the_trace_and_the_function(
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


def test_the_log_of_a_message_that_is_no_event_names_no_job_of_another(
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


def test_a_reply_is_read_up_to_a_limit(gateway: Gateway, broker: Broker, start_connector: Start) -> None:
    def converting(size: int) -> Function:
        return lambda given: reply(CloudEvent(event(event_type=MP3_READY).get_attributes(), {"text": "a" * size}))

    gateway.deploy("convert", "video", in_turn(converting(LARGEST_REPLY), converting(LARGEST_REPLY // 2)))
    gateway.deploy("notify", "mp3", empty)
    start_connector()
    broker.publish(event())
    [call] = wait_for(lambda: gateway.calls_of("notify"), "notify is called")
    assert call.event.get_data() == {"text": "a" * (LARGEST_REPLY // 2)}
    assert len(gateway.calls_of("convert")) == 2


def test_a_function_that_never_answers_is_given_up_and_tried_again(
    gateway: Gateway, broker: Broker, start_connector: Start, held: threading.Event
) -> None:
    gateway.deploy("convert", "video", waiting(held))
    start_connector(timeout=0.2, attempts=2)
    broker.publish(event())
    reason = dead_letter(broker).reason
    assert (reason["status"], reason["attempts"]) == (None, 2)
    assert "did not answer" in reason["detail"]
    held.set()


def test_the_login_of_the_gateway_is_not_told_to_an_address_that_only_begins_like_it(gateway: Gateway) -> None:
    gateway.deploy("convert", "video", empty)
    begins_like_it = gateway.url[:-1]  # the same host, on a port of one digit less
    caller = Caller(timeout=10, connections=1, gateway_url=begins_like_it, user={"Authorization": "Basic secret"})
    assert caller.call(f"{gateway.url}/function/convert", event()).status == 204
    assert "Authorization" not in gateway.calls[0].headers


def test_the_login_of_the_gateway_is_told_to_its_functions_besides_all_else(gateway: Gateway) -> None:
    gateway.deploy("convert", "video", empty)
    caller = Caller(timeout=10, connections=1, gateway_url=gateway.url, user={"Authorization": "Basic secret"})
    assert caller.call(f"{gateway.url}/function/convert", event()).status == 204
    [call] = gateway.calls
    assert (call.headers["Authorization"], call.headers["Content-Type"]) == ("Basic secret", STRUCTURED)


class Away(SqliteBroker):
    """A broker that is away for the first few verdicts."""

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
def test_a_verdict_is_given_again_until_the_broker_takes_it(
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
    monkeypatch.setattr(courier, "PAUSE_SECONDS", 0.01)
    gateway.deploy("convert", "video", convert)
    start_connector(own_broker=Away(tmp_path / "queue.db", ROUTES))
    broker.publish(event())
    wait_for(lambda: queues.count() == len(list(broker.list())) == left, "the verdict is taken")
    assert len(gateway.calls) == calls


class Broken(SqliteBroker):
    """A broker with a fault of its own."""

    def publish(self, event: CloudEvent) -> None:
        raise RuntimeError("nobody has thought of this")


@over_a_file
def test_an_error_that_nobody_foresaw_is_tried_again_and_ends_as_a_dead_letter(
    gateway: Gateway, broker: Broker, start_connector: Start, tmp_path: Path
) -> None:
    gateway.deploy("convert", "video", convert)
    start_connector(publisher=Broken(tmp_path / "other.db", ROUTES), attempts=2)
    broker.publish(event())
    reason = dead_letter(broker).reason
    assert (reason["attempts"], len(gateway.calls)) == (2, 2)
    assert "nobody has thought of this" in reason["detail"]


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
