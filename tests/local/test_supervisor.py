"""The supervisor starts gateway and connector in order, keeps them going, and stops them in order."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from devservers.waiting import wait_for
from soundlift.common.errors import Unavailable
from soundlift.local.mail_catcher import MailCatcher
from tests.local.supervised import GREETING, LONG, Run, answer, tell

STOPPING = "Stopping. Ctrl-C again stops at once."


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Return a function that prepares a run; its keywords are settings and options of the stand-ins."""
    made: list[Run] = []

    def prepare(**options: str) -> Run:
        made.append(Run(tmp_path, options))
        return made[-1]

    kept = {number: signal.signal(number, lambda *arguments: None) for number in (signal.SIGINT, signal.SIGTERM)}
    yield prepare
    for number, handler in kept.items():
        signal.signal(number, handler)
    for pid in made[0].processes():
        with suppress(ProcessLookupError):  # it may have ended since
            os.kill(pid, signal.SIGKILL)


def test_the_connector_begins_and_the_greeting_is_said_once_the_gateway_is_healthy(runs: Callable[..., Run]) -> None:
    run = runs(GATEWAY_IS_HEALTHY="302 503")
    run(lambda: run.see("connector begins"))
    answers = [answer("/healthz", status=status) for status in (302, 503, 200)]
    assert run.journal[:4] == ["gateway begins", *answers]
    assert set(run.journal[4:6]) == {"connector begins", GREETING}


def test_a_gateway_that_hangs_is_asked_again(runs: Callable[..., Run]) -> None:
    run = runs(GATEWAY_IS_HEALTHY="hangs")
    run(lambda: run.see("connector begins"))
    assert run.journal[1:3] == [answer("/healthz", status="hangs"), answer("/healthz")]


def test_each_child_has_its_arguments_and_the_environment_of_the_stack(runs: Callable[..., Run]) -> None:
    run = runs()
    run(lambda: run.see("connector begins"))
    (gateway,), (connector,) = run.starts("gateway"), run.starts("connector")
    program = ["gunicorn", "-c", "python:soundlift.common.web.gunicorn_config", "soundlift.local.gateway:gateway()"]
    threads = 2 * 5 + 16  # of each of two functions, and some for what is none
    assert gateway["arguments"] == [sys.executable, "-m", *program, "--threads", str(threads)]
    assert connector["arguments"] == [sys.executable, "-m", "soundlift.connector"]
    for child in (gateway, connector):
        assert child["environment"].items() >= {**run.environment, "THREADS": "5"}.items()


def test_cron_asks_the_gateway_with_its_login_and_ends_with_the_run(runs: Callable[..., Run]) -> None:
    run = runs()
    run(run.see_cron_ask)
    wait_for(lambda: "cron" not in {thread.name for thread in threading.enumerate()}, "cron has ended")


@pytest.mark.parametrize("name", ["gateway", "connector"])
def test_a_child_that_dies_is_started_again(runs: Callable[..., Run], name: str) -> None:
    run = runs()

    def kill() -> None:
        run.see("connector begins")
        (start,) = wait_for(lambda: run.starts(name), "the log says how the child was started")
        os.kill(start["pid"], signal.SIGKILL)
        run.see(f"{name} begins", times=2)

    run(kill)
    first, second = run.starts(name)
    assert first["arguments"] == second["arguments"]
    log = run.settings.soundlift_data / "logs" / f"{name}.log"
    assert f"{name} was ended by SIGKILL; it starts again in 1 s (log: {log})" in run.journal


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop_the_gateway_stays_until_the_connector_has_ended(
    runs: Callable[..., Run], number: signal.Signals
) -> None:
    run = runs(CONNECTOR_ENDS_AFTER="0.5", GATEWAY_ENDS_AFTER="0.5", CONNECTOR_LEAVES_A_PROCESS="yes")
    run(lambda: run.see("connector begins"), number=number)
    order = ["connector is told to end", "connector ends", "gateway is told to end", "gateway ends"]
    assert run.journal[-5:] == [STOPPING, *order]
    assert run.log("gateway")[-1] == run.log("connector")[-1] == "This is the last line."
    wait_for(lambda: not run.processes(), "what the connector left behind has been killed")


def test_the_gateway_is_told_while_a_connector_that_takes_too_long_goes_on(runs: Callable[..., Run]) -> None:
    run = runs(CONNECTOR_ENDS_AFTER="2.5", DRAIN_SECONDS="1")
    run(lambda: run.see("connector begins"))
    ending = run.journal[run.journal.index(STOPPING) + 1 :]
    assert ending == ["connector is told to end", "gateway is told to end", "gateway ends", "connector ends"]


def test_what_does_not_end_in_time_is_killed(runs: Callable[..., Run]) -> None:
    run = runs(CONNECTOR_ENDS_AFTER=LONG, GATEWAY_ENDS_AFTER=LONG, DRAIN_SECONDS="0")
    run(lambda: run.see("connector begins"), seconds_to_end=1)
    assert set(run.journal[-2:]) == {"connector is told to end", "gateway is told to end"}
    assert not run.processes()


def test_told_twice_it_kills_at_once(runs: Callable[..., Run]) -> None:
    run = runs(CONNECTOR_ENDS_AFTER=LONG, GATEWAY_ENDS_AFTER=LONG)

    def tell_once() -> None:
        run.see("connector begins")
        tell()
        run.see("connector is told to end")

    run(tell_once)
    assert not [line for line in run.journal if line.endswith(" ends")]
    assert not run.processes()


def test_a_gateway_that_ends_while_it_starts_is_one_sentence_that_names_its_log(runs: Callable[..., Run]) -> None:
    run = runs(GATEWAY_EXITS_WITH="3")
    with pytest.raises(Unavailable) as refused:
        run()
    log = run.settings.soundlift_data / "logs" / "gateway.log"
    assert refused.value.detail == f"The gateway does not start; {log} says why."
    assert len(run.starts("gateway")) == 1
    assert run.journal == ["gateway begins", STOPPING]


def test_a_gateway_that_is_never_healthy_is_given_up_and_stopped(runs: Callable[..., Run]) -> None:
    run = runs(GATEWAY_IS_HEALTHY="503 " * 1000)
    with pytest.raises(Unavailable):
        run(starting_seconds=3)
    assert run.journal[-3:] == [STOPPING, "gateway is told to end", "gateway ends"]
    assert {"connector begins", GREETING}.isdisjoint(run.journal)


def test_it_stops_while_the_gateway_starts(runs: Callable[..., Run]) -> None:
    run = runs(GATEWAY_IS_HEALTHY="503 " * 1000)
    run(lambda: run.see("gateway begins"))
    assert run.journal[-2:] == ["gateway is told to end", "gateway ends"]


def test_mail_is_caught_until_the_gateway_has_ended(runs: Callable[..., Run], tmp_path: Path) -> None:
    run = runs(GATEWAY_ENDS_AFTER="1")
    catcher = MailCatcher(tmp_path / "mail")
    catcher.start()
    reached: list[str] = []

    def reach() -> None:
        run.see("connector begins")
        tell()
        run.see("gateway is told to end")
        with socket.create_connection(("127.0.0.1", catcher.port), timeout=10):
            reached.extend(run.journal[-1:])
        run.see("gateway ends")

    run(reach, catcher=catcher)
    assert reached == ["gateway is told to end"]
    assert not catcher.is_alive()
