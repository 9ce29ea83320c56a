"""The application around handlers of events."""

from __future__ import annotations

import pytest
from cloudevents.core.v1.event import CloudEvent
from structlog.testing import capture_logs

from soundlift.common.events import from_http
from soundlift.common.logging import trace_id
from soundlift.common.services import Services
from soundlift.common.web.application import event_function
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call

EVENT_FUNCTIONS = ["fetch", "convert", "notify", "webhook"]
EVENT = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/test", "ce-type": "test"}
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
SECRET = "sqlite:////data/secret.db"


def broken_event(event: CloudEvent, services: Services) -> CloudEvent | None:
    raise RuntimeError(SECRET)


@pytest.mark.parametrize("name", EVENT_FUNCTIONS)
def test_an_event_is_accepted_only_by_post(function: Call, name: str) -> None:
    assert_problem(function(name).get("/"), 405, code="method_not_allowed")


def test_an_unexpected_error_during_an_event_is_answered_503(services: Services) -> None:
    app = event_function(broken_event, services=services)
    response = app.test_client().post("/", headers=EVENT, data=b"{}", content_type="application/json")
    assert_problem(response, 503, code="internal_error")
    assert "secret" not in response.text


def test_an_event_is_answered_with_the_event_that_its_handler_returns(
    services: Services,
) -> None:
    def reply(event: CloudEvent, passed: Services) -> CloudEvent:
        assert passed is services
        attributes = {"specversion": "1.0", "id": "2", "source": "/reply", "type": "reply"}
        return CloudEvent(attributes, {"trace": trace_id(), "received": event.get_data()})

    client = event_function(reply, services=services).test_client()
    other = f"00-{TRACE_ID[::-1]}-00f067aa0ba902b7-01"
    large = {"text": "a" * 2**19}
    for trace in ({"ce-traceparent": TRACEPARENT, "traceparent": other}, {"traceparent": TRACEPARENT}):
        response = client.post("/", headers={**EVENT, **trace}, json=large)
        assert response.status_code == 200
        event = from_http(dict(response.headers), response.data)
        assert (event.get_id(), event.get_type(), event.get_source()) == ("2", "reply", "/reply")
        assert event.get_data() == {"trace": TRACE_ID, "received": large}


def test_an_event_over_the_limit_is_rejected(services: Services) -> None:
    client = event_function(broken_event, services=services).test_client()
    assert_problem(client.post("/", headers=EVENT, json={"text": "a" * 2**20}), 413)


def test_an_event_without_a_reply_is_answered_204(services: Services) -> None:
    client = event_function(lambda event, services: None, services=services).test_client()
    response = client.post("/", headers=EVENT, json={})
    assert (response.status_code, response.data) == (204, b"")


def test_the_log_counts_unusable_events(services: Services) -> None:
    client = event_function(broken_event, services=services).test_client()
    with capture_logs() as logs:
        for _ in range(2):
            assert_problem(client.post("/", json={}), 400)
    assert [line["count"] for line in logs if line["event"] == "unusable event"] == [1, 2]
