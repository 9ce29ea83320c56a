"""The connector reports its liveness and readiness, and counts its deliveries."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.test import Client

from devservers.ports import free_port
from devservers.waiting import wait_for
from soundlift.common.broker import Broker
from soundlift.common.broker.sqlite import SqliteBroker
from soundlift.common.events import MP3_READY
from soundlift.connector.health import serve
from tests.api.hostile.answers import check_answers
from tests.api.hostile.raw_requests import raw_requests
from tests.connector.conftest import Connector, over_a_file
from tests.connector.events import event
from tests.connector.gateway import Gateway, empty, in_turn, refusing, reply, waiting
from tests.factories.brokers import ROUTES

Start = Callable[..., Connector]
CONVERT = {"queue": "video", "function": "convert"}
NOTIFY = {"queue": "mp3", "function": "notify"}
OUTCOMES = ("delivered", "retried", "dead_lettered")


def get(connector: Connector, path: str) -> tuple[int, str]:
    response = Client(connector.health).get(path)
    return response.status_code, response.text


def sample(connector: Connector, name: str, **labels: str) -> float | None:
    """Return the value of a series as Prometheus would scrape it."""
    families = text_string_to_metric_families(get(connector, "/metrics")[1])
    samples = [one for family in families for one in family.samples]
    return next((one.value for one in samples if one.name == name and one.labels == labels), None)


def outcomes(connector: Connector, labels: dict[str, str] = CONVERT) -> list[float | None]:
    return [sample(connector, "soundlift_deliveries_total", **labels, outcome=outcome) for outcome in OUTCOMES]


def test_deliveries_are_counted_by_queue_function_and_outcome(
    gateway: Gateway, broker: Broker, start_connector: Start
) -> None:
    gateway.deploy("convert", "video", in_turn(refusing(503), refusing(503), empty, refusing(422), empty))
    gateway.deploy("notify", "mp3", empty)
    connector = start_connector()
    for number in range(4):
        broker.publish(event(str(number)))
    wait_for(lambda: outcomes(connector) == [3, 2, 1], "three are delivered, some of them late, and one is dead")
    assert sample(connector, "soundlift_delivery_duration_seconds_count", **CONVERT) == 6
    assert sample(connector, "soundlift_deliveries_in_flight", **CONVERT) == 0
    assert sample(connector, "soundlift_deliveries_in_flight", **NOTIFY) is None
    broker.publish(event("0", MP3_READY))
    wait_for(lambda: outcomes(connector, NOTIFY) == [1, 0, 0], "the other function's is counted as its own")
    assert outcomes(connector) == [3, 2, 1]


def test_a_delivery_is_in_flight_until_its_function_has_answered(
    gateway: Gateway, broker: Broker, start_connector: Start, released: threading.Event
) -> None:
    gateway.deploy("convert", "video", waiting(released))
    connector = start_connector(concurrency=2)
    for _ in range(3):
        broker.publish(event())
    wait_for(lambda: sample(connector, "soundlift_deliveries_in_flight", **CONVERT) == 2, "both places are taken")
    assert outcomes(connector) == [0, 0, 0]
    released.set()
    wait_for(lambda: outcomes(connector) == [3, 0, 0], "all are delivered")
    slowest = sample(connector, "soundlift_delivery_duration_seconds_bucket", **CONVERT, le="600.0")
    assert slowest == 3


@over_a_file
def test_replies_are_counted_as_published_or_failed(
    gateway: Gateway, broker: Broker, start_connector: Start, tmp_path: Path
) -> None:
    gateway.deploy("convert", "video", lambda given: reply(event(given.get_subject() or "", MP3_READY)))
    away = tmp_path / "away" / "queue.db"
    connector = start_connector(publisher=SqliteBroker(away, ROUTES), attempts=100)
    broker.publish(event())
    wait_for(lambda: sample(connector, "soundlift_replies_total", **CONVERT, outcome="failed"), "a reply fails")
    assert sample(connector, "soundlift_replies_total", **CONVERT, outcome="published") == 0
    away.parent.mkdir()
    wait_for(lambda: sample(connector, "soundlift_replies_total", **CONVERT, outcome="published"), "it is published")
    wait_for(lambda: outcomes(connector)[0] == 1, "it is delivered")


def test_a_connector_is_ready_once_the_gateway_has_listed_its_functions(
    gateway: Gateway, start_connector: Start
) -> None:
    gateway.listing_status = 503
    connector = start_connector()
    status, why = get(connector, "/readyz")
    assert (status, "gateway" in why) == (503, True)
    assert get(connector, "/healthz") == (200, "OK\n")
    gateway.listing_status = 200
    wait_for(lambda: get(connector, "/readyz") == (200, "OK\n"), "it is ready")
    gateway.listing_status = 503
    asked = len(gateway.listed)
    wait_for(lambda: len(gateway.listed) > asked + 1, "one more answer without a list is read")
    assert get(connector, "/readyz") == (200, "OK\n")


@over_a_file
def test_a_connector_without_a_broker_is_alive_but_not_ready(
    gateway: Gateway, start_connector: Start, tmp_path: Path
) -> None:
    away = tmp_path / "away" / "queue.db"
    connector = start_connector(own_broker=SqliteBroker(away, ROUTES))
    wait_for(lambda: "queue" in get(connector, "/readyz")[1], "the queue file is missing")
    assert get(connector, "/readyz")[0] == 503
    assert get(connector, "/healthz")[0] == 200
    away.parent.mkdir()
    wait_for(lambda: get(connector, "/readyz")[0] == 200, "it is ready")


def test_a_stopping_connector_is_not_ready_but_alive_while_it_drains(
    gateway: Gateway, broker: Broker, start_connector: Start, released: threading.Event
) -> None:
    gateway.deploy("convert", "video", waiting(released))
    connector = start_connector()
    broker.publish(event())
    wait_for(lambda: gateway.calls, "convert is called")
    assert get(connector, "/readyz")[0] == 200
    connector.begin_stop()
    status, problem = get(connector, "/readyz")
    assert (status, json.loads(problem)["detail"]) == (503, "The connector is stopping.")
    assert get(connector, "/healthz")[0] == 200
    released.set()


class Hanging(SqliteBroker):
    """A broker whose driver hangs."""

    def __init__(self, file: Path, until: threading.Event) -> None:
        super().__init__(file, ROUTES)
        self._until = until

    def receive(self, queues: object, timeout: float) -> None:
        self._until.wait(30)


@over_a_file
def test_a_connector_whose_loop_hangs_is_not_alive(
    start_connector: Start, tmp_path: Path, released: threading.Event
) -> None:
    connector = start_connector(own_broker=Hanging(tmp_path / "queue.db", released), hung_seconds=0.2)
    wait_for(lambda: get(connector, "/healthz")[0] == 503, "it says that it hangs")
    assert "has hung" in get(connector, "/healthz")[1]
    released.set()
    wait_for(lambda: get(connector, "/healthz")[0] == 200, "it lives again")


def test_other_pages_are_not_found(start_connector: Start) -> None:
    status, problem = get(start_connector(), "/")
    assert (status, json.loads(problem)["code"]) == (404, "not_found")


@over_a_file
@pytest.mark.slow
def test_no_bytes_cause_an_answer_that_is_not_a_problem_document(start_connector: Start) -> None:
    port = free_port()
    serve(start_connector().health, "127.0.0.1", port)
    for description, request in raw_requests(b"GET", b"", b"Authorization: Bearer a\r\n"):
        with socket.create_connection(("127.0.0.1", port), 30) as client, suppress(ConnectionResetError):
            client.sendall(request)
            with suppress(OSError):  # if the connection has been reset already
                client.shutdown(socket.SHUT_WR)
            received = b"".join(iter(lambda client=client: client.recv(2**16), b""))
            assert all(status < 500 for status in check_answers(received)), description


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_its_paths_can_only_be_read(start_connector: Start, path: str) -> None:
    client = Client(start_connector().health)
    assert (client.options(path).status_code, client.options(path).headers["Allow"]) == (204, "GET, HEAD, OPTIONS")
    for method in ("POST", "TRACE", "DELETE"):
        response = client.open(path, method=method)
        assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert client.head(path).data == b""
    assert client.post("/nothing").status_code == 404
