"""The connector as a process: wrong settings end its start, and no message is lost when it stops or dies."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from devservers.ports import free_port
from devservers.waiting import DEADLINE_SECONDS, wait_for
from soundlift.common.broker import Broker
from soundlift.common.events import MP3_READY, from_message
from soundlift.connector.__main__ import SECONDS_BEYOND_DRAIN
from tests.connector.conftest import over_a_file
from tests.connector.events import event
from tests.connector.gateway import Gateway, empty, refusing, waiting
from tests.factories.brokers import FAN_OUT_ROUTES
from tests.factories.queues import Queues, dead_letter

pytestmark = pytest.mark.servers

COMMAND = (sys.executable, "-m", "soundlift.connector")
USER = ("admin", "a password of the gateway")


class Process:
    """A running connector and its log."""

    def __init__(self, environment: dict[str, str], output: Path, command: tuple[str, ...] = COMMAND) -> None:
        self.output = output
        with output.open("wb") as file:
            self.popen = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)

    def logged(self, message: str) -> dict[str, Any] | None:
        lines = self.output.read_text().splitlines(keepends=True)
        documents = (json.loads(line) for line in lines if line.endswith("\n"))
        return next((document for document in documents if document["event"] == message), None)


def stack_environment(gateway: Gateway, queues: Queues, **settings: str) -> dict[str, str]:
    own = {"GATEWAY_URL": gateway.url, "BROKER_URL": queues.url, "CONNECTOR_CONCURRENCY": "1"}
    # These only limit how long a connector waits for a function, which is longer.
    short = {"MAX_CONVERSION_SECONDS": "1", "DRAIN_SECONDS": "1"}
    return {**os.environ, **own, **short, **settings}


@pytest.fixture
def start_process(gateway: Gateway, queues: Queues, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def start(command: tuple[str, ...] = COMMAND, **settings: str) -> Process:
        output = tmp_path / f"connector-{len(started)}.log"
        started.append(Process(stack_environment(gateway, queues, **settings), output, command))
        return started[-1]

    yield start
    for process in started:
        process.popen.kill()
        process.popen.wait()


@pytest.fixture
def slow_convert(gateway: Gateway, released: threading.Event) -> threading.Event:
    """Deploy a function that answers once the event is set."""
    gateway.deploy("convert", "video", waiting(released))
    return released


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GATEWAY_URL", "gateway:8080"),
        ("BROKER_URL", "carrier://pigeon"),
        ("CONNECTOR_ATTEMPTS", "0"),
        ("CONNECTOR_PORT", "99999"),
        ("EXTRA_SUBSCRIBERS", "mp4=audit"),
    ],
)
def test_a_wrong_setting_ends_the_start_with_one_sentence(
    gateway: Gateway, queues: Queues, name: str, value: str
) -> None:
    environment = stack_environment(gateway, queues, **{name: value})
    run = subprocess.run(
        COMMAND, env=environment, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False
    )
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith(f"soundlift: Setting {name}")
    assert run.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopping_connector_finishes_what_is_in_flight_and_takes_nothing_new(
    broker: Broker,
    gateway: Gateway,
    start_process: Callable[[], Process],
    slow_convert: threading.Event,
    queues: Queues,
    number: signal.Signals,
) -> None:
    connector = start_process()
    broker.publish(event("running"))
    wait_for(lambda: gateway.calls, "convert is called")
    connector.popen.send_signal(number)
    wait_for(lambda: connector.logged("stopping"), "the connector stops")
    broker.publish(event("new"))
    assert connector.popen.poll() is None
    slow_convert.set()
    assert connector.popen.wait(DEADLINE_SECONDS) == 0
    assert queues.count() == 1
    delivery = broker.receive(["video"], 0)
    assert delivery is not None
    assert (from_message(delivery.message).get_subject(), delivery.attempt) == ("new", 1)


@over_a_file
def test_a_connector_that_hands_back_a_message_exits_while_the_function_still_runs(
    broker: Broker, gateway: Gateway, start_process: Callable[..., Process], slow_convert: threading.Event
) -> None:
    connector = start_process(DRAIN_SECONDS=str(-SECONDS_BEYOND_DRAIN))  # it adds them, for its function to hand back
    broker.publish(event())
    wait_for(lambda: gateway.calls, "convert is called")
    connector.popen.terminate()
    assert connector.popen.wait(DEADLINE_SECONDS) == 0
    delivery = broker.receive(["video"], 0)
    assert delivery is not None
    assert delivery.attempt == 2
    slow_convert.set()


def test_files_of_a_connector_are_private_to_their_owner(gateway: Gateway, tmp_path: Path) -> None:
    queue = tmp_path / "queue.db"
    settings = {"GATEWAY_URL": gateway.url, "BROKER_URL": f"sqlite:///{queue}"}
    connector = subprocess.Popen(
        COMMAND, env={**os.environ, **settings}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, umask=0o022
    )
    try:
        wait_for(queue.exists, "the connector has made its queue")
        assert stat.S_IMODE(queue.stat().st_mode) == 0o600
    finally:
        connector.kill()
        connector.wait()


def test_an_idle_connector_stops_immediately(start_process: Callable[..., Process], gateway: Gateway) -> None:
    gateway.deploy("convert", "video", empty)
    connector = start_process(DRAIN_SECONDS=str(2 * DEADLINE_SECONDS))
    wait_for(lambda: connector.logged("subscriptions"), "the connector runs")
    connector.popen.terminate()
    assert connector.popen.wait(DEADLINE_SECONDS) == 0


def test_the_next_connector_delivers_what_a_killed_one_had_in_flight(
    broker: Broker,
    gateway: Gateway,
    start_process: Callable[[], Process],
    slow_convert: threading.Event,
    queues: Queues,
) -> None:
    first = start_process()
    broker.publish(event())
    wait_for(lambda: gateway.calls, "convert is called")
    first.popen.kill()
    first.popen.wait()
    slow_convert.set()
    assert queues.count() == 1
    queues.expire_claims()
    second = start_process()
    wait_for(lambda: queues.count() == 0, "the message is gone")
    assert [call.event.get_subject() for call in gateway.calls] == ["job-1", "job-1"]
    delivered = wait_for(lambda: second.logged("delivered"), "the delivery is logged")
    assert (delivered["attempt"], delivered["job_id"], delivered["function"]) == (2, "job-1", "convert")


def page(port: int, path: str) -> tuple[int, str]:
    """Return the status and the text of a connector's page, or status 0 while nobody listens."""
    try:
        response = urllib3.request("GET", f"http://127.0.0.1:{port}/{path}", retries=False, timeout=DEADLINE_SECONDS)
    except urllib3.exceptions.HTTPError:
        return 0, ""
    return response.status, response.data.decode()


def test_a_connector_reports_its_health_until_it_has_stopped(
    start_process: Callable[..., Process],
    gateway: Gateway,
    broker: Broker,
    slow_convert: threading.Event,
) -> None:
    port = free_port()
    connector = start_process(CONNECTOR_PORT=str(port), HOST="127.0.0.1")
    wait_for(lambda: page(port, "readyz")[0] == 200, "it is ready")
    broker.publish(event())
    wait_for(lambda: gateway.calls, "convert is called")
    in_flight = 'soundlift_deliveries_in_flight{function="convert",queue="video"} 1.0'
    assert in_flight in page(port, "metrics")[1]
    connector.popen.terminate()
    wait_for(lambda: page(port, "readyz")[0] == 503, "it is no longer ready")
    assert page(port, "healthz")[0] == 200
    slow_convert.set()
    assert connector.popen.wait(DEADLINE_SECONDS) == 0
    assert page(port, "healthz")[0] == 0
    assert all(line.startswith("{") for line in connector.output.read_text().splitlines())


def test_an_occupied_port_ends_the_start_with_one_sentence(gateway: Gateway, queues: Queues) -> None:
    environment = stack_environment(gateway, queues, HOST="127.0.0.1", CONNECTOR_PORT=gateway.url.rpartition(":")[2])
    run = subprocess.run(
        COMMAND, env=environment, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False
    )
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith("soundlift: Setting CONNECTOR_PORT")


def test_configured_subscribers_are_called_without_asking_a_gateway(
    start_process: Callable[..., Process], gateway: Gateway, broker: Broker, slow_convert: threading.Event
) -> None:
    gateway.deploy("notify", "mp3", empty)
    gateway.listing = "no list"
    subscribers = f"video={gateway.url}/function/convert,mp3={gateway.url}/function/notify"
    port = free_port()
    start_process(SUBSCRIBERS=subscribers, CONNECTOR_PORT=str(port), HOST="127.0.0.1")
    wait_for(lambda: page(port, "readyz")[0] == 200, "it is ready")
    broker.publish(event("given"))
    wait_for(lambda: gateway.calls_of("convert"), "a function is called")
    broker.publish(event("ready", MP3_READY))
    wait_for(lambda: gateway.calls_of("notify"), "the other function is called meanwhile")
    slow_convert.set()


def test_extra_subscribers_have_their_own_queue_and_dead_letters(
    start_process: Callable[..., Process], gateway: Gateway, queues: Queues
) -> None:
    gateway.deploy("notify", "mp3", empty)
    gateway.deploy("audit", "mp3", refusing(422))
    start_process(EXTRA_SUBSCRIBERS="mp3=audit")
    broker = queues.connect(routes=FAN_OUT_ROUTES)
    broker.publish(event("job-7", MP3_READY))
    letter = dead_letter(broker)
    assert (letter.queue, letter.reason["function"]) == ("audit", "audit")
    wait_for(lambda: queues.count() == 1, "only the dead letter is left")
    assert [call.event.get_subject() for call in gateway.calls_of("notify")] == ["job-7"]


def test_a_subscriber_of_an_unknown_queue_ends_the_start_with_one_sentence(
    start_process: Callable[..., Process],
) -> None:
    process = start_process(SUBSCRIBERS="vidoe=http://127.0.0.1:9")
    assert process.popen.wait(DEADLINE_SECONDS) == 1
    assert process.output.read_text() == (
        "soundlift: Setting SUBSCRIBERS: vidoe is not a queue; the queues are import, mp3, video, webhook.\n"
    )


def test_the_login_is_read_from_secret_files_and_is_sent_to_no_function(
    start_process: Callable[..., Process], gateway: Gateway, broker: Broker, tmp_path: Path
) -> None:
    gateway.user = USER
    gateway.deploy("convert", "video", empty)
    for name, secret in zip(("basic-auth-user", "basic-auth-password"), USER, strict=True):
        (tmp_path / name).write_text(secret)
    connector = start_process(SECRETS_FOLDER=str(tmp_path))
    broker.publish(event())
    [call] = wait_for(lambda: gateway.calls, "convert is called")
    assert "Authorization" not in call.headers
    assert USER[1] not in connector.output.read_text()


def test_calls_through_a_gateway_that_requires_a_login_have_it_and_others_do_not(
    start_process: Callable[..., Process], gateway: Gateway, broker: Broker
) -> None:
    gateway.deploy("convert", "video", empty)
    login = {"BASIC_AUTH_USER": USER[0], "BASIC_AUTH_PASSWORD": USER[1], "BASIC_AUTH_CALLS": "true"}
    subscribers = {"SUBSCRIBERS": f"video={gateway.url}/function/convert"}
    first = start_process(**login)
    broker.publish(event())
    wait_for(lambda: len(gateway.calls) == 1, "convert is called")
    first.popen.terminate()
    assert first.popen.wait(DEADLINE_SECONDS) == 0
    start_process(**login, **subscribers, GATEWAY_URL=f"http://127.0.0.1:{free_port()}")
    broker.publish(event())
    wait_for(lambda: len(gateway.calls) == 2, "convert is called where it is no function of the gateway")
    inside, outside = gateway.calls
    assert inside.headers["Authorization"] == urllib3.make_headers(basic_auth=":".join(USER))["authorization"]
    assert "Authorization" not in outside.headers


def test_the_command_runs_the_connector(
    start_process: Callable[..., Process], gateway: Gateway, broker: Broker
) -> None:
    gateway.deploy("convert", "video", empty)
    connector = start_process((sys.executable, "-m", "soundlift.cli", "connector"))
    broker.publish(event())
    wait_for(lambda: gateway.calls, "convert is called")
    connector.popen.terminate()
    assert connector.popen.wait(DEADLINE_SECONDS) == 0
