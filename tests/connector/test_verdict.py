"""What becomes of a message, by what its function answered."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from cloudevents.core.v1.event import CloudEvent

from soundlift.common.events import MP3_READY, to_http
from soundlift.connector.verdict import Accept, Answer, Patience, Reject, Retry

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
PATIENCE = Patience(attempts=10)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_success_is_accepted(status: int) -> None:
    assert PATIENCE.judge(Answer(status), 1, now=NOW) == Accept(status)


@pytest.mark.parametrize("status", [400, 401, 403, 405, 410, 413, 415, 422])
def test_what_no_repeat_can_mend_is_a_dead_letter_at_once(status: int) -> None:
    assert isinstance(PATIENCE.judge(Answer(status), 1, now=NOW), Reject)


@pytest.mark.parametrize("status", [None, 301, 302, 307, 404, 408, 409, 425, 429, 500, 502, 503, 504])
def test_everything_else_waits(status: int | None) -> None:
    assert isinstance(PATIENCE.judge(Answer(status), 1, now=NOW), Retry)


def test_the_delays_grow_to_ten_minutes_and_then_it_is_a_dead_letter() -> None:
    verdicts = [PATIENCE.judge(Answer(503), attempt, now=NOW) for attempt in range(1, 11)]
    assert [verdict.delay for verdict in verdicts[:-1]] == [5, 30, 120, 600, 600, 600, 600, 600, 600]
    assert isinstance(verdicts[-1], Reject)


@pytest.mark.parametrize(
    ("retry_after", "delay"),
    [
        ("0", 5),
        ("3", 5),
        ("6", 30),
        ("100", 120),
        ("99999", 600),
        ("Thu, 01 Jan 2026 12:01:00 GMT", 120),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 5),
        ("soon", 5),
        ("-5", 5),
    ],
)
def test_a_delay_is_the_shortest_of_the_few_that_is_long_enough_for_retry_after(retry_after: str, delay: float) -> None:
    verdict = PATIENCE.judge(Answer(503, {"retry-after": retry_after}), 1, now=NOW)
    assert isinstance(verdict, Retry)
    assert verdict.delay == delay


def test_a_reply_is_read() -> None:
    event = CloudEvent({"type": MP3_READY, "source": "/s", "id": "1", "specversion": "1.0"}, {"job_id": "x"})
    headers, body = to_http(event)
    verdict = PATIENCE.judge(Answer(200, headers, body), 1, now=NOW)
    assert isinstance(verdict, Accept)
    assert verdict.reply is not None
    assert verdict.reply.get_id() == "1"


@pytest.mark.parametrize("body", [b"{", b"{}", b'{"id": "1"}'])
def test_a_reply_that_claims_to_be_an_event_and_cannot_be_read_waits(body: bytes) -> None:
    answer = Answer(200, {"content-type": "application/cloudevents+json"}, body)
    assert isinstance(PATIENCE.judge(answer, 1, now=NOW), Retry)


def test_a_body_that_is_no_event_is_no_reply() -> None:
    assert PATIENCE.judge(Answer(200, {"content-type": "text/plain"}, b"OK"), 1, now=NOW) == Accept(200)


def test_the_reason_is_the_detail_of_the_problem_document() -> None:
    body = json.dumps({"title": "Bad", "detail": "The event's data must be an object."}).encode()
    verdict = PATIENCE.judge(Answer(400, {}, body), 1, now=NOW)
    assert verdict == Reject("The event's data must be an object.", 400)
