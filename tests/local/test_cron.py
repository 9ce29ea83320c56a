"""Runs cron against a gateway that is away at times."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

from devservers.local_stack import wait_until
from soundlift.local.cron import Cron

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

EVERY_SECOND = {"topic": "cron-function", "schedule": "* * * * * *"}


class Quiet(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


class Gateway:
    """Lists one function for each second and some that are none of cron's, and remembers what it was asked."""

    functions = (
        {"name": "tick", "annotations": EVERY_SECOND},
        {"name": "plain"},
        {"name": "nulls", "annotations": None},
        {"name": "other", "annotations": {"topic": "video", "schedule": "* * * * * *"}},
        {"name": "broken", "annotations": {"topic": "cron-function", "schedule": "often"}},
        {"name": "timeless", "annotations": {"topic": "cron-function"}},
    )

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer_to_get = self.answer_to_post = "200 OK"

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        status = self.answer_to_post if environ["REQUEST_METHOD"] == "POST" else self.answer_to_get
        self.asked.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} {status[:3]}")
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
    wait_until(lambda: gateway.asked.count("POST /function/tick 200") >= 2, "tick is called")
    assert set(gateway.asked) == {"GET /system/functions 200", "POST /function/tick 200"}


def test_ticks_missed_while_the_gateway_was_away_are_made_up_for_by_one(gateway: Gateway, cron: Cron) -> None:
    gateway.answer_to_get = "503 Away"
    cron.start()
    wait_until(lambda: len(gateway.asked) == 2, "cron has asked in vain for more than a second")
    gateway.answer_to_get = "200 OK"
    wait_until(lambda: len(gateway.asked) >= 6, "cron goes on")
    assert (
        gateway.asked[:6]
        == ["GET /system/functions 503"] * 2
        + [
            "GET /system/functions 200",
            "POST /function/tick 200",
        ]
        * 2
    )


def test_a_call_that_fails_is_told(gateway: Gateway, cron: Cron, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.answer_to_post = "500 Broken"
    cron.start()
    wait_until(lambda: gateway.asked.count("POST /function/tick 500") >= 2, "tick is called")
    assert capsys.readouterr().out.startswith("tick answered 500")
