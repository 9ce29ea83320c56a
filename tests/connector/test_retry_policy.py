"""The response of a function decides whether its message is accepted, retried or rejected, and when."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from soundlift.common.events import MP3_READY, STRUCTURED
from soundlift.connector.function_client import FunctionResponse
from soundlift.connector.retry_policy import Accept, Reject, Retry, RetryPolicy

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
POLICY = RetryPolicy(max_attempts=10)
STRUCTURED_REPLY = (
    b'{"specversion": "1.0", "id": "1", "source": "/test", "type": "dev.soundlift.mp3.ready", "data": {"job_id": "1"}}'
)
BINARY_HEADERS = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/test", "ce-type": MP3_READY}


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_a_success_is_accepted(status: int) -> None:
    assert POLICY.decide(FunctionResponse(status), 1, now=NOW) == Accept(status)


@pytest.mark.parametrize("status", [400, 401, 403, 405, 410, 413, 415, 422])
def test_a_permanent_failure_is_rejected_at_the_first_attempt(status: int) -> None:
    assert POLICY.decide(FunctionResponse(status), 1, now=NOW) == Reject(f"The function returned {status}.", status)


@pytest.mark.parametrize(
    "status",
    [None, 100, 300, 301, 302, 303, 307, 308, 402, 404, 406, 408, 409, 418, 425, 429, 451, 500, 502, 503, 504, 599],
)
def test_every_other_status_is_retried(status: int | None) -> None:
    decision = POLICY.decide(FunctionResponse(status), 1, now=NOW)
    assert isinstance(decision, Retry)
    assert (decision.status, decision.delay) == (status, 5)


@pytest.mark.parametrize("status", [200, 204])
def test_a_success_without_an_event_is_accepted_whatever_its_body(status: int) -> None:
    response = FunctionResponse(status, {"content-type": "text/html"}, b"<p>Done")
    assert POLICY.decide(response, 1, now=NOW) == Accept(status)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-type": STRUCTURED}, STRUCTURED_REPLY),
        ({"content-type": "Application/CloudEvents+JSON; charset=utf-8"}, STRUCTURED_REPLY),
        ({**BINARY_HEADERS, "content-type": "application/json"}, b'{"job_id": "1"}'),
    ],
)
def test_a_reply_is_read_in_structured_and_in_binary_mode(headers: dict[str, str], body: bytes) -> None:
    decision = POLICY.decide(FunctionResponse(200, headers, body), 1, now=NOW)
    assert isinstance(decision, Accept)
    assert decision.reply is not None
    assert (decision.reply.get_type(), decision.reply.get_data()) == (MP3_READY, {"job_id": "1"})


def test_an_empty_success_is_accepted_even_with_the_content_type_of_an_event() -> None:
    assert POLICY.decide(FunctionResponse(200, {"content-type": STRUCTURED}), 1, now=NOW) == Accept(200)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-type": STRUCTURED}, b"not JSON"),
        ({"content-type": STRUCTURED}, STRUCTURED_REPLY[:-20]),
        ({"content-type": STRUCTURED}, b'{"specversion": "1.0", "source": "/test", "type": "t"}'),
        ({"ce-id": "1"}, b"{}"),
    ],
)
def test_an_unreadable_reply_that_claims_to_be_an_event_is_retried(headers: dict[str, str], body: bytes) -> None:
    decision = POLICY.decide(FunctionResponse(200, headers, body), 1, now=NOW)
    assert isinstance(decision, Retry)
    assert "unreadable" in decision.detail


@pytest.mark.parametrize(("attempt", "delay"), [(1, 5), (2, 30), (3, 120), (4, 600), (5, 600), (9, 600)])
def test_the_delay_grows_with_the_attempt(attempt: int, delay: float) -> None:
    assert POLICY.decide(FunctionResponse(503), attempt, now=NOW) == Retry(delay, "The function returned 503.", 503)


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
def test_retry_after_selects_the_shortest_fixed_delay_that_is_long_enough(retry_after: str, delay: float) -> None:
    decision = POLICY.decide(FunctionResponse(503, {"retry-after": retry_after}), 1, now=NOW)
    assert isinstance(decision, Retry)
    assert decision.delay == delay


def test_retry_after_never_shortens_the_delay_of_the_attempt() -> None:
    decision = POLICY.decide(FunctionResponse(503, {"retry-after": "5"}), 3, now=NOW)
    assert isinstance(decision, Retry)
    assert decision.delay == 120


@pytest.mark.parametrize("attempt", [10, 11])
def test_a_failure_is_rejected_at_the_last_attempt(attempt: int) -> None:
    assert POLICY.decide(FunctionResponse(503), attempt, now=NOW) == Reject("The function returned 503.", 503)


@pytest.mark.parametrize(
    ("response", "detail"),
    [
        (FunctionResponse(422, body=b'{"title": "No", "detail": "No sound."}'), "No sound."),
        (FunctionResponse(422, body=b"  plain words\n"), "plain words"),
        (FunctionResponse(422, body=b'["detail"]'), '["detail"]'),
        (FunctionResponse(422, body=b"\xff"), "\N{REPLACEMENT CHARACTER}"),
        (FunctionResponse(422, body=b"x" * 9000), "x" * 500),
    ],
)
def test_the_detail_is_that_of_a_problem_document_or_the_shortened_body(
    response: FunctionResponse, detail: str
) -> None:
    assert POLICY.decide(response, 1, now=NOW) == Reject(detail, 422)


def test_the_detail_of_a_missing_response_is_its_error() -> None:
    decision = POLICY.decide(FunctionResponse(None, error="refused"), 1, now=NOW)
    assert decision == Retry(5, "refused", None)
