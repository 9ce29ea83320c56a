"""Messages go to their functions, replies to their queues, and nothing is lost on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cloudevents.core.v1.event import CloudEvent
from werkzeug.wrappers import Request, Response

from soundlift.common.broker.sqlite import SqliteBroker
from soundlift.common.events import CONVERSION_FAILED, MP3_READY, VIDEO_UPLOADED, to_http
from soundlift.common.shutdown import Shutdown
from soundlift.connector.calls import Caller
from soundlift.connector.courier import Courier
from soundlift.connector.discovery import Subscriptions
from soundlift.connector.loop import Loop
from soundlift.connector.verdict import Patience
from tests.connector.conftest import Gateway
from tests.parts import free_port, wait_for

ROUTES = {VIDEO_UPLOADED: "video", MP3_READY: "mp3", CONVERSION_FAILED: "mp3"}
CONCURRENCY = 2


def _event(number: int = 1, event_type: str = VIDEO_UPLOADED) -> CloudEvent:
    attributes = {"specversion": "1.0", "id": str(number), "source": "/test", "type": event_type}
    return CloudEvent({**attributes, "datacontenttype": "application/json"}, {"job_id": str(number)})


@pytest.fixture
def broker(tmp_path: Path) -> SqliteBroker:
    return SqliteBroker(tmp_path / "queue.db", ROUTES, lease_seconds=1)


@pytest.fixture
def connector(broker: SqliteBroker, gateway: Gateway) -> Iterator[Subscriptions]:
    """Run the loop in a thread, with delays of tests."""
    shutdown = Shutdown()
    subscriptions = Subscriptions(gateway.url, set(ROUTES.values()))
    subscriptions.refresh()
    courier = Courier(broker, broker, Caller(timeout=30, connections=8), Patience(3, delays=(0.05, 0.3)))
    loop = Loop(broker, subscriptions, courier, concurrency=CONCURRENCY, drain_seconds=30)
    thread = threading.Thread(target=loop.run, args=(shutdown,))
    thread.start()
    yield subscriptions
    shutdown.begin()
    thread.join()


def _dead(broker: SqliteBroker) -> list[dict[str, object]]:
    return [dict(letter.reason) for letter in broker.list()]


def test_a_reply_is_published_and_reaches_its_own_function(
    broker: SqliteBroker, gateway: Gateway, connector: Subscriptions
) -> None:
    headers, body = to_http(_event(2, MP3_READY))
    gateway.answers["convert"] = lambda request: Response(body, headers=headers)
    broker.publish(_event(1))
    wait_for(lambda: gateway.ids("notify"), "the reply is delivered")
    assert gateway.received == [("convert", "1"), ("notify", "2")]


def test_what_waits_comes_again(broker: SqliteBroker, gateway: Gateway, connector: Subscriptions) -> None:
    answers = iter([Response(status=503, headers={"Retry-After": "1"}), Response(status=404), Response(status=204)])
    gateway.answers["convert"] = lambda request: next(answers)
    broker.publish(_event())
    wait_for(lambda: len(gateway.ids("convert")) == 3, "it is delivered three times")
    assert _dead(broker) == []


def test_a_message_tried_in_vain_is_a_dead_letter_that_says_why(
    broker: SqliteBroker, gateway: Gateway, connector: Subscriptions
) -> None:
    gateway.answers["convert"] = lambda request: Response("no room", status=503)
    broker.publish(_event())
    (reason,) = wait_for(lambda: _dead(broker), "it is a dead letter")
    assert reason.pop("at")
    assert reason == {"function": "convert", "status": 503, "detail": "no room", "attempts": 3}
    assert len(gateway.ids("convert")) == 3


def test_what_the_function_refuses_is_a_dead_letter_at_once(
    broker: SqliteBroker, gateway: Gateway, connector: Subscriptions
) -> None:
    gateway.answers["convert"] = lambda request: Response(status=422)
    broker.publish(_event())
    (reason,) = wait_for(lambda: _dead(broker), "it is a dead letter")
    assert (reason["status"], reason["attempts"]) == (422, 1)


def test_a_slow_queue_holds_up_no_other_and_has_its_own_places(
    broker: SqliteBroker, gateway: Gateway, connector: Subscriptions
) -> None:
    let_go = threading.Event()

    def slow(request: Request) -> Response:
        assert let_go.wait(30)
        return Response(status=204)

    gateway.answers["convert"] = slow
    try:
        for number in range(5):
            broker.publish(_event(number))
        wait_for(lambda: len(gateway.ids("convert")) == CONCURRENCY, "all places are taken")
        broker.publish(_event(9, MP3_READY))
        wait_for(lambda: gateway.ids("notify") == ["9"], "the other queue goes on")
        assert len(gateway.ids("convert")) == CONCURRENCY
    finally:
        let_go.set()
    wait_for(lambda: len(gateway.ids("convert")) == 5, "the rest follows")


def test_a_queue_without_a_subscriber_waits_for_one(
    broker: SqliteBroker, gateway: Gateway, connector: Subscriptions
) -> None:
    del gateway.subscribers["convert"]
    connector.refresh()
    broker.publish(_event(2, MP3_READY))
    wait_for(lambda: gateway.ids("notify") == ["2"], "the loop has had a turn since")
    broker.publish(_event(1))
    broker.publish(_event(3, MP3_READY))
    wait_for(lambda: gateway.ids("notify") == ["2", "3"], "the other queue is served")
    assert gateway.ids("convert") == []
    gateway.subscribers["convert"] = "video"
    connector.refresh()
    wait_for(lambda: gateway.ids("convert"), "its subscriber is back")


def test_the_last_good_map_is_kept_while_the_gateway_is_away(gateway: Gateway) -> None:
    subscriptions = Subscriptions(f"http://127.0.0.1:{free_port()}", {"video", "mp3"})
    subscriptions.refresh()
    assert subscriptions.subscribers == {}
    subscriptions = Subscriptions(gateway.url, {"video", "mp3"})
    subscriptions.refresh()
    known = dict(subscriptions.subscribers)
    assert {queue: one.name for queue, one in known.items()} == {"video": "convert", "mp3": "notify"}
    subscriptions._gateway_url = f"http://127.0.0.1:{free_port()}"
    subscriptions.refresh()
    assert subscriptions.subscribers == known


def test_of_two_who_claim_a_topic_one_gets_it_and_other_topics_do_not_count(gateway: Gateway) -> None:
    gateway.subscribers |= {"another": "video", "cleanup": "cron-function"}
    subscriptions = Subscriptions(gateway.url, {"video", "mp3"})
    subscriptions.refresh()
    assert {queue: one.name for queue, one in subscriptions.subscribers.items()} == {
        "video": "another",
        "mp3": "notify",
    }


@pytest.fixture
def process(tmp_path: Path, gateway: Gateway) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Return a function that starts the connector as it is started everywhere."""
    started: list[subprocess.Popen[bytes]] = []
    environment = {**os.environ, "BROKER_URL": f"sqlite:///{tmp_path}/queue.db", "GATEWAY_URL": gateway.url}

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "soundlift.connector"]
        started.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.wait()


def test_told_to_stop_it_finishes_what_is_in_flight_and_ends_well(
    broker: SqliteBroker, gateway: Gateway, process: Callable[[], subprocess.Popen[bytes]]
) -> None:
    let_go = threading.Event()
    headers, body = to_http(_event(2, MP3_READY))

    def slow(request: Request) -> Response:
        assert let_go.wait(30)
        return Response(body, headers=headers)

    gateway.answers["convert"] = slow
    connector = process()
    broker.publish(_event())
    wait_for(lambda: gateway.ids("convert"), "it is delivered")
    connector.send_signal(signal.SIGTERM)
    let_go.set()
    assert connector.wait(20) == 0
    left = broker.receive(("video", "mp3"), 0)
    # The reply may just have been delivered before the signal was seen; it is never lost, nor the first repeated.
    assert (left.queue if left else gateway.ids("notify")) in ("mp3", ["2"])
    assert gateway.ids("convert") == ["1"]


def test_a_setting_that_is_wrong_is_one_sentence() -> None:
    environment = {**os.environ, "BROKER_URL": "gopher://x"}
    ended = subprocess.run(
        [sys.executable, "-m", "soundlift.connector"], env=environment, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (1, "soundlift: Setting BROKER_URL must be sqlite:///FILE.\n")
