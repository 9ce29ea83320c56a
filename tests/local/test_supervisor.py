"""The supervisor starts gateway and connector in order, restarts them when they die, and stops them in order."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from devservers.waiting import DEADLINE_SECONDS, wait_for
from soundlift.common.errors import Unavailable
from soundlift.local import supervisor
from soundlift.local.mail_catcher import MailCatcher
from soundlift.local.terminal import print_message
from tests.local.supervised import GREETING, LONG, Run, answer, send_signal

pytestmark = pytest.mark.servers  # the stand-ins have the names of gateway and connector

MODULE = "soundlift.local.gateway_process"
STOPPING = "Stopping. Press Ctrl-C again to stop immediately."


class TimeAfter:
    """Time that jumps ahead once a run's journal has lines with these beginnings."""

    sleep = staticmethod(time.sleep)

    def __init__(self, run: Run, *beginnings: str) -> None:
        self._run = run
        self._beginnings = beginnings

    def monotonic(self) -> float:
        has_jumped = all(any(line.startswith(one) for line in self._run.journal) for one in self._beginnings)
        return time.monotonic() + (float(LONG) if has_jumped else 0)


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Return a function that prepares a run; its keyword arguments are settings and options of the stand-ins."""
    made: list[Run] = []

    def prepare(**options: str) -> Run:
        made.append(Run(tmp_path, options))
        return made[-1]

    handlers = {number: signal.signal(number, lambda *arguments: None) for number in (signal.SIGINT, signal.SIGTERM)}
    yield prepare
    for number, handler in handlers.items():
        signal.signal(number, handler)
    for pid in made[0].processes():
        with suppress(ProcessLookupError):  # it may have ended in the meantime
            os.kill(pid, signal.SIGKILL)


def test_connector_and_greeting_wait_until_the_gateway_is_healthy(runs: Callable[..., Run]) -> None:
    run = runs(GATEWAY_IS_HEALTHY="302 503")
    run(lambda: run.wait_for_line("connector begins"))
    answers = [answer("/healthz", status=status) for status in (302, 503, 200)]
    assert run.journal[:4] == ["gateway begins", *answers]
    assert set(run.journal[4:6]) == {"connector begins", GREETING}


def test_a_health_check_that_hangs_is_repeated(runs: Callable[..., Run]) -> None:
    run = runs(GATEWAY_IS_HEALTHY="hangs")
    run(lambda: run.wait_for_line("connector begins"))
    assert run.journal[1:3] == [answer("/healthz", status="hangs"), answer("/healthz")]


def test_each_child_has_its_arguments_and_the_environment_of_the_stack(runs: Callable[..., Run]) -> None:
    run = runs()
    run(lambda: run.wait_for_line("connector begins"))
    (gateway,), (connector,) = run.starts("gateway"), run.starts("connector")
    program = [MODULE, "-c", "python:soundlift.common.web.gunicorn_config", "soundlift.local.gateway:gateway()"]
    threads = 2 * 5 + 16  # THREADS for each of the two functions, and the spare ones
    assert gateway["arguments"] == [sys.executable, "-P", "-m", *program, "--threads", str(threads)]
    assert connector["arguments"] == [sys.executable, "-P", "-m", "soundlift.connector"]
    for child in (gateway, connector):
        assert child["environment"].items() >= {**run.environment, "THREADS": "5"}.items()


def test_cron_uses_the_gateways_login_and_ends_with_the_run(runs: Callable[..., Run]) -> None:
    run = runs()
    run(run.wait_for_cron)
    wait_for(lambda: "cron" not in {thread.name for thread in threading.enumerate()}, "cron has ended")


@pytest.mark.parametrize("name", ["gateway", "connector"])
def test_a_child_that_dies_is_restarted(runs: Callable[..., Run], name: str) -> None:
    run = runs()

    def kill() -> None:
        run.wait_for_line("connector begins")
        (start,) = wait_for(lambda: run.starts(name), "the log shows how the child was started")
        os.kill(start["pid"], signal.SIGKILL)
        run.wait_for_line(f"{name} begins", times=2)

    run(kill)
    first, second = run.starts(name)
    assert first["arguments"] == second["arguments"]
    log = run.settings.soundlift_data / "logs" / f"{name}.log"
    report = rf"{name} was killed by SIGKILL; restarting in [\d.]+ s \(log: {log}\)"  # it depends on the uptime
    assert any(re.fullmatch(report, line) for line in run.journal)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_on_a_stop_signal_the_gateway_runs_until_the_connector_has_ended(
    runs: Callable[..., Run], number: signal.Signals
) -> None:
    run = runs(CONNECTOR_ENDS_AFTER="0.5", GATEWAY_ENDS_AFTER="0.5", CONNECTOR_LEAVES_A_PROCESS="yes")
    run(lambda: run.wait_for_line("connector begins"), number=number)
    order = ["connector receives SIGTERM", "connector ends", "gateway receives SIGTERM", "gateway ends"]
    assert run.journal[-5:] == [STOPPING, *order]
    assert run.log("gateway")[-1] == run.log("connector")[-1] == "This is the last line."
    wait_for(lambda: not run.processes(), "the process that the connector left behind has been killed")


def test_the_gateway_is_stopped_while_a_slow_connector_is_still_running(runs: Callable[..., Run]) -> None:
    run = runs(CONNECTOR_ENDS_AFTER_LINE="gateway ends", DRAIN_SECONDS="1")
    run(lambda: run.wait_for_line("connector begins"))
    stop_lines = run.journal[run.journal.index(STOPPING) + 1 :]
    assert [line for line in stop_lines if not line.startswith("Waiting")] == [
        *("connector receives SIGTERM", "gateway receives SIGTERM", "gateway ends", "connector ends")
    ]


def test_a_stop_that_takes_long_says_what_it_waits_for_and_how_long(runs: Callable[..., Run]) -> None:
    run = runs(CONNECTOR_ENDS_AFTER_LINE="Waiting for", DRAIN_SECONDS="3")
    run(lambda: run.wait_for_line("connector begins"), stop_seconds=20)
    waiting = [line for line in run.journal if line.startswith("Waiting")]
    assert waiting == [
        "Waiting for requests and conversions in progress, at most 26 s. "
        "A conversion that is not finished by then continues at the next start."
    ]


def test_errors_of_functions_are_shown_at_the_terminal(runs: Callable[..., Run]) -> None:
    entry = '{"level": "warning", "function": "upload", "detail": "The disk is full.", "cause": "ENOSPC"}'
    run = runs(GATEWAY_PRINTS=entry)
    run(lambda: run.wait_for_line("upload: The disk is full (ENOSPC)."))


def test_a_gateway_that_refuses_to_start_says_why(runs: Callable[..., Run]) -> None:
    run = runs(GATEWAY_PRINTS="soundlift: Setting THREADS is wrong.", GATEWAY_EXITS_WITH="4")
    with pytest.raises(Unavailable) as refused:
        run()
    assert refused.value.detail == "Setting THREADS is wrong."


def test_a_child_that_does_not_end_in_time_is_killed(runs: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    run = runs(CONNECTOR_ENDS_AFTER=LONG, GATEWAY_ENDS_AFTER=LONG, DRAIN_SECONDS="0")
    monkeypatch.setattr(supervisor, "EXPLAIN_SECONDS", 0)
    stopping = ("connector receives SIGTERM", "gateway receives SIGTERM", "Waiting for")
    monkeypatch.setattr(supervisor, "time", TimeAfter(run, *stopping))
    run(lambda: run.wait_for_line("connector begins"))
    assert not [line for line in run.journal if line.endswith(" ends")]
    assert not run.processes()


def test_a_second_stop_signal_kills_the_children_immediately(runs: Callable[..., Run]) -> None:
    run = runs(CONNECTOR_ENDS_AFTER=LONG, GATEWAY_ENDS_AFTER=LONG)

    def stop_once() -> None:
        run.wait_for_line("connector begins")
        send_signal()
        run.wait_for_line("connector receives SIGTERM")

    run(stop_once)
    assert not [line for line in run.journal if line.endswith(" ends")]
    assert not run.processes()


def test_a_gateway_that_exits_during_its_start_is_an_error_naming_its_log(runs: Callable[..., Run]) -> None:
    run = runs(GATEWAY_EXITS_WITH="3")
    with pytest.raises(Unavailable) as refused:
        run()
    log = run.settings.soundlift_data / "logs" / "gateway.log"
    assert refused.value.detail == f"The gateway did not start; see its log, {log}."
    assert len(run.starts("gateway")) == 1
    assert run.journal == ["gateway begins", STOPPING]


def test_a_gateway_that_does_not_become_healthy_is_stopped(
    runs: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs(GATEWAY_IS_HEALTHY="503 " * 1000)
    monkeypatch.setattr(supervisor, "time", TimeAfter(run, answer("/healthz", status=503)))
    with pytest.raises(Unavailable):
        run()
    assert run.journal[-3:] == [STOPPING, "gateway receives SIGTERM", "gateway ends"]
    assert {"connector begins", GREETING}.isdisjoint(run.journal)


def test_a_stop_signal_is_obeyed_while_the_gateway_starts(runs: Callable[..., Run]) -> None:
    run = runs(GATEWAY_IS_HEALTHY="503 " * 1000)
    run(lambda: run.wait_for_line("gateway begins"))
    assert run.journal[-2:] == ["gateway receives SIGTERM", "gateway ends"]


def test_the_mail_catcher_runs_until_the_gateway_has_ended(runs: Callable[..., Run], tmp_path: Path) -> None:
    run = runs(GATEWAY_ENDS_AFTER_LINE="The catcher is reached.")
    catcher = MailCatcher(tmp_path / "mail")
    catcher.start()

    def reach() -> None:
        run.wait_for_line("connector begins")
        send_signal()
        run.wait_for_line("gateway receives SIGTERM")
        with socket.create_connection(("127.0.0.1", catcher.port), timeout=DEADLINE_SECONDS):
            print_message("The catcher is reached.")
        run.wait_for_line("gateway ends")

    run(reach, catcher=catcher)
    assert run.journal[-3:] == ["gateway receives SIGTERM", "The catcher is reached.", "gateway ends"]
    assert not catcher.is_alive()
