"""A bare message of another program becomes an event if the setting allows it, else a dead letter."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from devservers.waiting import wait_for
from soundlift.common.broker import Broker
from soundlift.common.events import VIDEO_UPLOADED
from tests.connector.conftest import Connector
from tests.connector.events import event
from tests.connector.gateway import Gateway, empty
from tests.factories.queues import Queues

Start = Callable[..., Connector]
BARE = {"video_fid": "0123456789abcdef01234567", "mp3_fid": None, "username": "ada@example.org"}
BODY = json.dumps(BARE).encode()


@pytest.mark.parametrize("content_type", ["application/json", "", "text/plain", "application/octet-stream"])
def test_an_accepted_bare_message_becomes_the_event_of_its_video(
    gateway: Gateway, start_connector: Start, queues: Queues, content_type: str
) -> None:
    gateway.deploy("convert", "video", empty)
    start_connector(accepts_bare=True)
    for _ in range(2):
        queues.put("video", BODY, content_type)
    wait_for(lambda: len(gateway.calls) == 2, "convert is called for both")
    for call in gateway.calls:
        assert (call.event.get_type(), call.event.get_data()) == (VIDEO_UPLOADED, BARE)
        assert (call.event.get_id(), call.event.get_subject()) == (f"{BARE['video_fid']}.uploaded", None)


def test_the_dead_letter_of_a_bare_message_that_is_not_accepted_names_the_setting(
    gateway: Gateway, broker: Broker, start_connector: Start, queues: Queues
) -> None:
    gateway.deploy("convert", "video", empty)
    start_connector()
    queues.put("video", BODY)
    letter = wait_for(lambda: next(broker.list(), None), "there is a dead letter")
    assert "ACCEPT_BARE_MESSAGES" in letter.reason["detail"]
    assert (letter.message.body, gateway.calls) == (BODY, [])


@pytest.mark.parametrize(
    ("queue", "body", "headers"),
    [
        ("mp3", BODY, {}),
        ("video", b"[1]", {}),
        ("video", b"no JSON", {}),
        ("video", b"[" * 100_000, {}),
        ("video", json.dumps({**BARE, "video_fid": 7}).encode(), {}),
        ("video", json.dumps({"username": "ada@example.org"}).encode(), {}),
        ("video", BODY, {"ce-id": "1"}),
    ],
)
def test_a_message_that_is_neither_an_event_nor_a_bare_message_is_a_dead_letter(
    gateway: Gateway, broker: Broker, start_connector: Start, queues: Queues, queue: str, body: bytes, headers: Any
) -> None:
    gateway.deploy("both", "video,mp3", empty)
    start_connector(accepts_bare=True)
    queues.put(queue, body, "application/json", headers)
    letter = wait_for(lambda: next(broker.list(), None), "there is a dead letter")
    assert "CloudEvent" in letter.reason["detail"]
    assert gateway.calls == []


def test_an_event_is_delivered_unchanged_where_bare_messages_are_accepted(
    gateway: Gateway, broker: Broker, start_connector: Start
) -> None:
    gateway.deploy("convert", "video", empty)
    start_connector(accepts_bare=True)
    broker.publish(event("job-7"))
    [call] = wait_for(lambda: gateway.calls, "convert is called")
    assert (call.event.get_subject(), call.event.get_data()) == ("job-7", {"job_id": "job-7"})
