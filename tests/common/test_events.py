"""Events are read in every format that senders use, and written in a format that every receiver can read."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings import http, rabbitmq
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from soundlift.common.errors import BadEvent, NoEvent
from soundlift.common.events import STRUCTURED, Message, from_http, from_message, to_http, to_message

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
MOMENT = datetime(2026, 1, 1, 12, tzinfo=UTC)
ATTRIBUTES: dict[str, Any] = {
    "specversion": "1.0",
    "id": "1",
    "source": "/test",
    "type": "test",
    "subject": "100 %41 é",
    "time": MOMENT,
    "traceparent": TRACEPARENT,
}
TEXTS = {**ATTRIBUTES, "time": "2026-01-01T12:00:00Z"}
DATA = {"job_id": "7"}
BODY = json.dumps(DATA).encode()
EVENT = CloudEvent({**ATTRIBUTES, "datacontenttype": "application/json"}, DATA)
STRUCTURED_BODY = json.dumps({**TEXTS, "data": DATA}).encode()


def prefixed(prefix: str, **changes: Any) -> dict[str, Any]:
    return {prefix + name: value for name, value in {**TEXTS, **changes}.items()}


def split(event: CloudEvent) -> tuple[dict[str, Any], Any]:
    return {name: event.get_attributes()[name] for name in ATTRIBUTES}, event.get_data()


@pytest.mark.parametrize("prefix", ["cloudEvents:", "cloudEvents_", "ce-", "CE-", ""])
@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; Charset=UTF-8", ""])
def test_a_message_in_binary_mode_is_read_with_every_known_prefix(prefix: str, content_type: str) -> None:
    event = from_message(Message(BODY, content_type, prefixed(prefix)))
    assert split(event) == (ATTRIBUTES, DATA)


def test_a_message_is_read_as_knative_s_broker_for_rabbitmq_writes_it() -> None:
    """See CloudEventToRabbitMQMessage in pkg/adapter/message.go of knative-extensions/eventing-rabbitmq."""
    headers = {
        **TEXTS,
        "content-type": "application/json",
        "tracestate": "",
        "x-death": [{"count": 1}],
        "knativehops": 3,
    }
    event = from_message(Message(BODY, "application/json", headers))
    assert split(event) == (ATTRIBUTES, DATA)
    assert event.get_extension("knativehops") == "3"
    assert event.get_attributes().keys() == {*ATTRIBUTES, "datacontenttype", "knativehops"}


def test_headers_without_a_prefix_are_an_event_only_with_a_specversion() -> None:
    headers = {name: value for name, value in TEXTS.items() if name != "specversion"}
    with pytest.raises(NoEvent):
        from_message(Message(BODY, "application/json", headers))


@pytest.mark.parametrize(
    "moment", [MOMENT, MOMENT.replace(tzinfo=None), "2026-01-01T12:00:00.000Z", b"2026-01-01T12:00:00Z"]
)
def test_header_values_need_not_be_strings(moment: Any) -> None:
    headers = prefixed("ce-", id=1, source=b"/test", time=moment, subject=None, dataschema="", urgent=True)
    event = from_message(Message(BODY, "application/json", headers))
    assert (event.get_id(), event.get_source(), event.get_time()) == ("1", "/test", MOMENT)
    assert (event.get_subject(), event.get_extension("urgent")) == (None, "true")


@pytest.mark.parametrize("content_type", [STRUCTURED, "Application/CloudEvents+JSON; charset=utf-8"])
@pytest.mark.parametrize("headers", [{}, prefixed("ce-", id="forged"), prefixed("cloudEvents:", id="forged")])
def test_a_structured_body_takes_precedence_over_headers(content_type: str, headers: dict[str, Any]) -> None:
    assert split(from_message(Message(STRUCTURED_BODY, content_type, headers))) == (ATTRIBUTES, DATA)
    ascii_headers = {name: value for name, value in headers.items() if value.isascii()}
    assert split(from_http({**ascii_headers, "content-type": content_type}, STRUCTURED_BODY)) == (ATTRIBUTES, DATA)


def test_a_null_member_counts_as_absent() -> None:
    body = json.dumps({**TEXTS, "subject": None, "data": None}).encode()
    event = from_message(Message(body))
    assert (event.get_subject(), event.get_data()) == (None, None)


@pytest.mark.parametrize("content_type", ["application/cloudevents-batch+json", "application/cloudevents+xml"])
def test_batches_and_unsupported_formats_are_refused_by_name(content_type: str) -> None:
    for read in (
        lambda: from_message(Message(b"[]", content_type, prefixed("ce-"))),
        lambda: from_http({"Content-Type": content_type}, b"[]"),
    ):
        with pytest.raises(BadEvent, match=content_type.replace("+", r"\+")):
            read()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"\xff",
        b"null",
        b"[" * 100_000,
        json.dumps({**TEXTS, "subject": "\ud800"}).encode(),
        json.dumps({**TEXTS, "data": {"seconds": math.nan}}).encode(),
        json.dumps({**TEXTS, "data": {"seconds": math.inf}, "subject": None}).encode(),
        json.dumps({**TEXTS, "data": 1, "subject": None}).replace(": 1}", ": 1e999}").encode(),
    ],
)
def test_a_body_that_is_not_an_event_is_refused(body: bytes) -> None:
    with pytest.raises(BadEvent):
        from_message(Message(body))


@pytest.mark.parametrize("missing", ["specversion", "id", "source", "type"])
def test_an_event_with_a_missing_attribute_is_refused(missing: str) -> None:
    headers = {name: value for name, value in prefixed("ce-").items() if name != f"ce-{missing}"}
    with pytest.raises(BadEvent):
        from_message(Message(BODY, "application/json", headers))
    with pytest.raises(BadEvent):
        from_message(Message(json.dumps({name: value for name, value in TEXTS.items() if name != missing}).encode()))


def test_the_library_reads_our_messages_in_structured_and_binary_mode() -> None:
    message = to_message(EVENT)
    assert split(from_message(message)) == (ATTRIBUTES, DATA)
    theirs = rabbitmq.RabbitMQMessage(dict(message.headers), message.content_type, message.body)
    assert split(rabbitmq.from_rabbitmq_event(theirs)) == (ATTRIBUTES, DATA)
    binary = rabbitmq.from_binary_event(theirs)
    assert split(binary)[0] == ATTRIBUTES
    assert binary.get_datacontenttype() == STRUCTURED


def test_the_library_reads_our_requests_which_have_no_ce_headers() -> None:
    headers, body = to_http(EVENT)
    assert split(http.from_http_event(http.HTTPMessage(headers, body))) == (ATTRIBUTES, DATA)
    with_headers = {**headers, **http.to_binary_event(EVENT).headers, "content-type": headers["content-type"]}
    assert http.from_http_event(http.HTTPMessage(with_headers, body)).get_data() != DATA
    assert split(from_http(with_headers, body)) == (ATTRIBUTES, DATA)


def test_the_library_s_requests_in_binary_mode_are_read() -> None:
    message = http.to_binary(EVENT, JSONFormat())
    assert split(from_http(message.headers, message.body)) == (ATTRIBUTES, DATA)


def test_an_attribute_with_a_very_long_name_is_not_repeated_in_a_header() -> None:
    event = CloudEvent({**ATTRIBUTES, "x" * 300: "1"}, DATA)
    message = to_message(event)
    assert max(map(len, message.headers)) < 30
    assert from_message(message).get_extension("x" * 300) == "1"
