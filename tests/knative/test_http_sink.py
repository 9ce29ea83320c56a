"""A sink confirms an event with a 2xx, and is ready if it answers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from devservers.knative_broker import WsgiServer
from devservers.ports import free_port
from soundlift.common.broker.http_sink import HttpSink
from soundlift.common.errors import BrokerUnavailable
from soundlift.common.events import (
    event_for,
)
from soundlift.common.services import Services
from tests.factories.jobs import queued_job
from tests.knative.conftest import Knative


def answering(status: int, methods: list[str]) -> WsgiServer:
    """Return a sink that answers every request with a status and records its method."""

    def sink(environ: dict[str, str], start_response: Callable[..., object]) -> list[bytes]:
        methods.append(environ["REQUEST_METHOD"])
        start_response(f"{status} Whatever", [("Location", "/elsewhere")])
        return []

    return WsgiServer(sink)


def test_a_sink_is_ready_if_it_answers(knative: Knative) -> None:
    knative.services.publisher.check()
    with pytest.raises(BrokerUnavailable):
        HttpSink(f"http://127.0.0.1:{free_port()}/").check()


@pytest.mark.parametrize("status", [200, 404, 405, 499])
def test_a_sink_that_answers_a_get_below_500_is_ready(status: int) -> None:
    methods: list[str] = []
    with answering(status, methods) as sink:
        HttpSink(sink.url).check()
    assert methods == ["GET"]


@pytest.mark.parametrize("status", [500, 503])
def test_a_sink_that_answers_with_a_server_error_is_not_ready(status: int) -> None:
    with answering(status, []) as sink, pytest.raises(BrokerUnavailable) as refused:
        HttpSink(sink.url).check()
    assert refused.value.evidence == {"status": status}


@pytest.mark.parametrize("status", [300, 302, 400, 503])
def test_any_other_status_does_not_confirm_an_event(services: Services, status: int) -> None:
    methods: list[str] = []
    with answering(status, methods) as sink, pytest.raises(BrokerUnavailable) as refused:
        HttpSink(sink.url).publish(event_for(queued_job(services)))
    assert refused.value.evidence == {"status": status}
    assert methods == ["POST"]


@pytest.mark.parametrize("status", [200, 202, 299])
def test_any_2xx_confirms_an_event(services: Services, status: int) -> None:
    with answering(status, []) as sink:
        HttpSink(sink.url).publish(event_for(queued_job(services)))
