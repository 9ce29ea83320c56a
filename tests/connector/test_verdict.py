"""The verdict on an answer says what becomes of the message, and when it comes again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from soundlift.common.events import MP3_READY, STRUCTURED
from soundlift.connector.verdict import Accept, Answer, Patience, Reject, Retry

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
PATIENCE = Patience(attempts=10)
STRUCTURED_REPLY = (
    b'{"specversion": "1.0", "id": "1", "source": "/test", "type": "dev.soundlift.mp3.ready", "data": {"job_id": "1"}}'
)
BINARY_HEADERS = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/test", "ce-type": MP3_READY}


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_success_is_accepted(status: int) -> None:
    assert PATIENCE.judge(Answer(status), 1, now=NOW) == Accept(status)


@pytest.mark.parametrize("status", [400, 401, 403, 405, 410, 413, 415, 422])
def test_a_refusal_for_good_is_rejected_at_the_first_attempt(status: int) -> None:
    assert PATIENCE.judge(Answer(status), 1, now=NOW) == Reject(f"The function answered {status}.", status)


@pytest.mark.parametrize(
    "status",
    [None, 100, 300, 301, 302, 303, 307, 308, 402, 404, 406, 408, 409, 418, 425, 429, 451, 500, 502, 503, 504, 599],
)
def test_everything_else_is_tried_again(status: int | None) -> None:
    verdict = PATIENCE.judge(Answer(status), 1, now=NOW)
    assert isinstance(verdict, Retry)
    assert (verdict.status, verdict.delay) == (status, 5)


@pytest.mark.parametrize("status", [200, 204])
def test_a_success_that_carries_no_event_is_accepted_whatever_it_says(status: int) -> None:
    answer = Answer(status, {"content-type": "text/html"}, b"<p>Done")
    assert PATIENCE.judge(answer, 1, now=NOW) == Accept(status)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-type": STRUCTURED}, STRUCTURED_REPLY),
        ({"content-type": "Application/CloudEvents+JSON; charset=utf-8"}, STRUCTURED_REPLY),
        ({**BINARY_HEADERS, "content-type": "application/json"}, b'{"job_id": "1"}'),
    ],
)
def test_a_reply_is_read_in_structured_and_in_binary_mode(headers: dict[str, str], body: bytes) -> None:
    verdict = PATIENCE.judge(Answer(200, headers, body), 1, now=NOW)
    assert isinstance(verdict, Accept)
    assert verdict.reply is not None
    assert (verdict.reply.get_type(), verdict.reply.get_data()) == (MP3_READY, {"job_id": "1"})


def test_an_empty_success_is_accepted_even_under_an_events_content_type() -> None:
    assert PATIENCE.judge(Answer(200, {"content-type": STRUCTURED}), 1, now=NOW) == Accept(200)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-type": STRUCTURED}, b"not JSON"),
        ({"content-type": STRUCTURED}, STRUCTURED_REPLY[:-20]),
        ({"content-type": STRUCTURED}, b'{"specversion": "1.0", "source": "/test", "type": "t"}'),
        ({"ce-id": "1"}, b"{}"),
    ],
)
def test_an_unreadable_reply_that_claims_to_be_an_event_is_tried_again(headers: dict[str, str], body: bytes) -> None:
    verdict = PATIENCE.judge(Answer(200, headers, body), 1, now=NOW)
    assert isinstance(verdict, Retry)
    assert "unreadable" in verdict.detail


@pytest.mark.parametrize(("attempt", "delay"), [(1, 5), (2, 30), (3, 120), (4, 600), (5, 600), (9, 600)])
def test_the_delay_grows_with_the_attempt(attempt: int, delay: float) -> None:
    assert PATIENCE.judge(Answer(503), attempt, now=NOW) == Retry(delay, "The function answered 503.", 503)


@pytest.mark.parametrize(
    ("retry_after", "delay"),
    [
        ("0", 5),
        ("5", 5),
        ("6", 30),
        ("30", 30),
        ("31", 120),
        ("121", 600),
        ("86400", 600),
        ("9" * 400, 600),
        ("Thu, 01 Jan 2026 12:00:20 GMT", 30),
        ("Thu, 01 Jan 2026 12:05:00 GMT", 600),
        ("Thu, 01 Jan 2026 12:00:20 -0000", 30),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 5),
        ("-1", 5),
        ("soon", 5),
        ("³", 5),
        ("", 5),
    ],
)
def test_retry_after_picks_the_shortest_fixed_delay_that_is_long_enough(retry_after: str, delay: float) -> None:
    verdict = PATIENCE.judge(Answer(503, {"retry-after": retry_after}), 1, now=NOW)
    assert isinstance(verdict, Retry)
    assert verdict.delay == delay


def test_retry_after_never_shortens_the_delay_of_the_attempt() -> None:
    verdict = PATIENCE.judge(Answer(503, {"retry-after": "5"}), 3, now=NOW)
    assert isinstance(verdict, Retry)
    assert verdict.delay == 120


@pytest.mark.parametrize("attempt", [10, 11])
def test_the_last_attempt_ends_in_a_rejection(attempt: int) -> None:
    assert PATIENCE.judge(Answer(503), attempt, now=NOW) == Reject("The function answered 503.", 503)


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (Answer(422, body=b'{"title": "No", "detail": "No sound."}'), "No sound."),
        (Answer(422, body=b"  plain words\n"), "plain words"),
        (Answer(422, body=b'["detail"]'), '["detail"]'),
        (Answer(422, body=b"\xff"), "\N{REPLACEMENT CHARACTER}"),
        (Answer(422, body=b"x" * 9000), "x" * 500),
    ],
)
def test_the_detail_is_the_problems_own_or_the_text_shortened(answer: Answer, detail: str) -> None:
    assert PATIENCE.judge(answer, 1, now=NOW) == Reject(detail, 422)


def test_no_answer_says_what_happened() -> None:
    verdict = PATIENCE.judge(Answer(None, error="refused"), 1, now=NOW)
    assert verdict == Retry(5, "refused", None)
