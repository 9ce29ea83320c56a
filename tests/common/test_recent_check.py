"""A check whose outcome counts for a few seconds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from devservers.waiting import DEADLINE_SECONDS, wait_for
from soundlift.common import recent_check
from soundlift.common.errors import StoreUnavailable
from soundlift.common.recent_check import RECENT_SECONDS, USABLE_SECONDS, RecentCheck


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


class Store:
    """Something that is checked, and may be away or not answer at all."""

    def __init__(self) -> None:
        self.checks = 0
        self.is_away = False
        self.answers = threading.Event()
        self.answers.set()

    def check(self) -> None:
        self.checks += 1
        assert self.answers.wait(DEADLINE_SECONDS)
        if self.is_away:
            raise StoreUnavailable("The media store cannot be used.", cause="it is away")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(recent_check, "time", clock)
    return clock


def fails(check: Callable[[], None]) -> bool:
    try:
        check()
    except StoreUnavailable as error:
        return error.evidence == {"cause": "it is away"}
    return False


@pytest.mark.parametrize("away", [False, True])
def test_an_outcome_counts_until_it_is_no_longer_recent(clock: Clock, away: bool) -> None:
    store = Store()
    check = RecentCheck(store.check)
    store.is_away = away
    assert [fails(check) for _ in range(3)] == [away] * 3
    assert store.checks == 1
    store.is_away = not away
    clock.seconds += RECENT_SECONDS
    assert fails(check) is not away
    assert store.checks == 2


def test_a_check_that_hangs_delays_only_one_of_many_requests(clock: Clock) -> None:
    store = Store()
    check = RecentCheck(store.check)
    check()
    store.answers.clear()
    clock.seconds += RECENT_SECONDS
    with ThreadPoolExecutor(1) as pool:
        delayed = pool.submit(check)
        wait_for(lambda: store.checks == 2, "one request checks again")
        check()
        assert not delayed.done()
        store.is_away = True
        store.answers.set()
        assert isinstance(delayed.exception(10), StoreUnavailable)
    assert fails(check)


def test_an_old_outcome_is_not_used_however_long_the_check_takes(clock: Clock) -> None:
    store = Store()
    check = RecentCheck(store.check)
    check()
    store.answers.clear()
    store.is_away = True
    clock.seconds += USABLE_SECONDS
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(fails, check) for _ in range(2)]
        wait_for(lambda: store.checks == 2, "one request checks again")
        store.answers.set()
        assert [each.result(DEADLINE_SECONDS) for each in both] == [True, True]
    assert store.checks == 2
