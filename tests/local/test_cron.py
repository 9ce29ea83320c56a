"""Cron calls functions on their schedules, and continues after the gateway was unavailable."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

from devservers.waiting import wait_for
from soundlift.local.cron import Cron

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

EVERY_SECOND = {"topic": "cron-function", "schedule": "* * * * * *"}


class Quiet(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Print nothing."""


class Gateway:
    """A gateway that records its requests, with one function due every second and several that cron must ignore."""

    functions = (
        {"name": "tick", "annotations": EVERY_SECOND},
        {"name": "plain"},
        {"name": "nulls", "annotations": None},
        {"name": "other", "annotations": {"topic": "video", "schedule": "* * * * * *"}},
        {"name": "broken", "annotations": {"topic": "cron-function", "schedule": "often"}},
        {"name": "timeless", "annotations": {"topic": "cron-function"}},
    )

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.answer_to_get = self.answer_to_post = "200 OK"

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        status = self.answer_to_post if environ["REQUEST_METHOD"] == "POST" else self.answer_to_get
        self.requests.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} {status[:3]}")
        start_response(status, [])
        return [json.dumps(self.functions).encode()]


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
def cron(gateway: Gateway) -> Iterator[Cron]:
    server = make_server("127.0.0.1", 0, gateway, threaded=True, request_handler=Quiet)
    serving = Thread(target=server.serve_forever)
    serving.start()
    cron = Cron(f"http://127.0.0.1:{server.port}")
    yield cron
    cron.stop()
    cron.join()
    server.shutdown()
    serving.join()
    server.server_close()


def test_only_functions_with_topic_and_schedule_are_called(gateway: Gateway, cron: Cron) -> None:
    cron.start()
    wait_for(lambda: gateway.requests.count("POST /function/tick 200") >= 2, "tick is called")
    assert set(gateway.requests) == {"GET /system/functions 200", "POST /function/tick 200"}


def test_one_call_replaces_those_missed_while_the_gateway_was_unavailable(gateway: Gateway, cron: Cron) -> None:
    gateway.answer_to_get = "503 Unavailable"
    cron.start()
    wait_for(lambda: len(gateway.requests) == 2, "cron has been refused for more than a second")
    gateway.answer_to_get = "200 OK"
    wait_for(lambda: len(gateway.requests) >= 6, "cron continues")
    assert (
        gateway.requests[:6]
        == ["GET /system/functions 503"] * 2
        + [
            "GET /system/functions 200",
            "POST /function/tick 200",
        ]
        * 2
    )


def test_a_failed_call_is_reported_on_the_terminal(
    gateway: Gateway, cron: Cron, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.answer_to_post = "500 Broken"
    cron.start()
    wait_for(lambda: gateway.requests.count("POST /function/tick 500") >= 2, "tick is called")
    assert capsys.readouterr().out.startswith("tick returned 500")
