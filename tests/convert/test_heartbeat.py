"""The heartbeat of a claim: how long work continues, and what stops it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from threading import Event

import pytest

from devservers.waiting import DEADLINE_SECONDS, wait_for
from functions.convert import heartbeat as of_conversions
from functions.convert.failures import TOO_LONG, ConversionFailed
from functions.convert.heartbeat import ConversionHeartbeat
from soundlift.common.errors import DatabaseUnavailable, Unavailable
from soundlift.common.jobs import heartbeat as module
from soundlift.common.jobs.heartbeat import ClaimLost
from soundlift.common.jobs.model import CLAIM_SECONDS, Claim
from soundlift.common.process.shutdown import Shutdown
from soundlift.common.services import Services

CLAIM = Claim(job_id="a" * 24, token="b" * 24, mp3_fid="c" * 24)
UNAVAILABLE = DatabaseUnavailable("The database does not answer.")


@dataclass
class Renewals:
    """A clock and a job store that follow a script, which has the time and the result of each renewal."""

    script: list[tuple[float, bool | Exception]]
    time: float = 0.0
    count: int = 0
    written: list[tuple[Claim, int]] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.time

    def renew(self, claim: Claim, *, percent: int) -> bool:
        self.time, result = self.script[min(self.count, len(self.script) - 1)]
        self.count += 1
        self.written.append((claim, percent))
        if isinstance(result, Exception):
            raise result
        return result


def _run_until_stopped(services: Services, monkeypatch: pytest.MonkeyPatch, renewals: Renewals) -> Exception:
    """Run a heartbeat until the work has to stop, and return the reason."""
    monkeypatch.setattr(module, "time", renewals)
    monkeypatch.setattr(of_conversions, "time", renewals)
    monkeypatch.setattr(module, "TICK_SECONDS", 0.001)
    services.jobs = renewals
    stopped = Event()
    with ConversionHeartbeat(CLAIM, services) as heartbeat:
        heartbeat.on_stop(stopped.set)
        assert stopped.wait(DEADLINE_SECONDS)
    stopped.clear()
    heartbeat.on_stop(stopped.set)
    assert stopped.is_set()  # also if it is set after the work has to stop
    with pytest.raises(Exception) as reason:
        heartbeat.check()
    return reason.value


def test_work_stops_when_renewals_fail_for_the_length_of_a_claim(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewals = Renewals([
        (1, True),
        (CLAIM_SECONDS - 1, UNAVAILABLE),
        (CLAIM_SECONDS, True),
        (CLAIM_SECONDS + 1, UNAVAILABLE),
        (2 * CLAIM_SECONDS, UNAVAILABLE),
        (2 * CLAIM_SECONDS + 1, UNAVAILABLE),
    ])  # fmt: skip
    assert _run_until_stopped(services, monkeypatch, renewals) is UNAVAILABLE
    assert renewals.count == len(renewals.script)


@pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyError("x")])
def test_an_unexpected_error_of_the_heartbeat_stops_the_work(
    services: Services, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    renewals = Renewals([(1, True), (2, error)])
    assert _run_until_stopped(services, monkeypatch, renewals) is error
    assert renewals.count == 2


def test_work_stops_immediately_when_the_claim_is_lost(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    renewals = Renewals([(1, True), (2, False)])
    assert isinstance(_run_until_stopped(services, monkeypatch, renewals), ClaimLost)
    assert renewals.count == 2


def test_work_stops_at_the_time_limit_despite_renewals(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    services.settings = replace(services.settings, max_conversion_seconds=100)
    renewals = Renewals([(60, True), (100, True), (101, True)])
    reason = _run_until_stopped(services, monkeypatch, renewals)
    assert isinstance(reason, ConversionFailed)
    assert reason.reason == TOO_LONG
    assert renewals.count == 3


@pytest.mark.parametrize(("drain_seconds", "renewed"), [(0, 0), (3600, 3)])
def test_work_continues_until_the_drain_time_is_over(
    services: Services, monkeypatch: pytest.MonkeyPatch, drain_seconds: int, renewed: int
) -> None:
    services.settings = replace(services.settings, drain_seconds=drain_seconds)
    monkeypatch.setattr(Services, "shutdown", Shutdown())
    services.shutdown.begin()
    renewals = Renewals([(1, True), (2, True), (3, False)])
    reason = _run_until_stopped(services, monkeypatch, renewals)
    assert renewals.count == renewed
    if not renewed:
        assert isinstance(reason, Unavailable)
        assert reason.headers == {"Retry-After": "1"}


def test_each_renewal_writes_the_percent_which_never_falls(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    services.jobs = renewals = Renewals([(1, True)])
    monkeypatch.setattr(module, "TICK_SECONDS", 0.001)
    with ConversionHeartbeat(CLAIM, services) as heartbeat:
        wait_for(lambda: renewals.written, "the claim is renewed")
        assert renewals.written[0] == (CLAIM, 0)
        for done, shown in [(1.2, 1), (41.9, 41), (20.0, 41), (98.9, 98), (99.9, 99), (250.0, 99)]:
            heartbeat.report_progress(done)
            renewals.written.clear()
            wait_for(lambda: len(renewals.written) > 1, "the percentage is written")
            assert renewals.written[-1] == (CLAIM, shown)
    heartbeat.check()


def test_the_thread_of_a_heartbeat_is_a_named_daemon(services: Services) -> None:
    before = threading.enumerate()
    with ConversionHeartbeat(CLAIM, services):
        begun = [thread for thread in threading.enumerate() if thread not in before]
        (thread,) = [thread for thread in begun if thread.name == "claim-heartbeat"]
        assert thread.daemon
    assert not thread.is_alive()
