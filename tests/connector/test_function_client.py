"""Functions are called with an event in structured mode, a time-out, and the login only if they are the gateway's."""

from __future__ import annotations

import threading
from collections.abc import Callable

from cloudevents.core.v1.event import CloudEvent

from devservers.waiting import wait_for
from soundlift.common.broker import Broker
from soundlift.common.events import MP3_READY, STRUCTURED
from soundlift.connector.function_client import MAX_RESPONSE_BYTES, FunctionClient
from tests.connector.conftest import Connector
from tests.connector.events import TRACEPARENT, event
from tests.connector.gateway import Function, Gateway, empty, in_turn, reply, waiting
from tests.factories.queues import dead_letter

Start = Callable[..., Connector]


def test_an_event_is_posted_in_structured_mode_with_its_trace(
    gateway: Gateway, broker: Broker, start_connector: Start
) -> None:
    gateway.deploy("convert", "video", empty)
    start_connector()
    broker.publish(event())
    [call] = wait_for(lambda: gateway.calls, "convert is called")
    assert (call.headers["Content-Type"], call.headers["Traceparent"]) == (STRUCTURED, TRACEPARENT)
    assert call.event.get_data() == {"job_id": "job-1"}


def test_a_reply_is_read_up_to_a_limit(gateway: Gateway, broker: Broker, start_connector: Start) -> None:
    def converting(size: int) -> Function:
        return lambda given: reply(CloudEvent(event(event_type=MP3_READY).get_attributes(), {"text": "a" * size}))

    gateway.deploy("convert", "video", in_turn(converting(MAX_RESPONSE_BYTES), converting(MAX_RESPONSE_BYTES // 2)))
    gateway.deploy("notify", "mp3", empty)
    start_connector()
    broker.publish(event())
    [call] = wait_for(lambda: gateway.calls_of("notify"), "notify is called")
    assert call.event.get_data() == {"text": "a" * (MAX_RESPONSE_BYTES // 2)}
    assert len(gateway.calls_of("convert")) == 2


def test_a_call_of_a_function_that_never_answers_times_out_and_is_retried(
    gateway: Gateway, broker: Broker, start_connector: Start, released: threading.Event
) -> None:
    gateway.deploy("convert", "video", waiting(released))
    start_connector(timeout=0.2, attempts=2)
    broker.publish(event())
    reason = dead_letter(broker).reason
    assert (reason["status"], reason["attempts"]) == (None, 2)
    assert "did not answer" in reason["detail"]
    released.set()


def test_the_login_is_not_sent_to_an_address_that_only_begins_like_the_gateway_s(gateway: Gateway) -> None:
    gateway.deploy("convert", "video", empty)
    begins_like_it = gateway.url[:-1]  # the same host, on a port of one digit less
    client = FunctionClient(
        timeout=30, connections=1, gateway_url=begins_like_it, login={"Authorization": "Basic secret"}
    )
    assert client.call(f"{gateway.url}/function/convert", event()).status == 204
    assert "Authorization" not in gateway.calls[0].headers


def test_the_login_is_sent_to_functions_of_the_gateway_along_with_other_headers(gateway: Gateway) -> None:
    gateway.deploy("convert", "video", empty)
    client = FunctionClient(timeout=30, connections=1, gateway_url=gateway.url, login={"Authorization": "Basic secret"})
    assert client.call(f"{gateway.url}/function/convert", event()).status == 204
    [call] = gateway.calls
    assert (call.headers["Authorization"], call.headers["Content-Type"]) == ("Basic secret", STRUCTURED)
