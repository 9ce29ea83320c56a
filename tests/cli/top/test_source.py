"""A server that does not answer holds up nothing, and is reported."""

from __future__ import annotations

from threading import Event

import pytest

from devservers.waiting import DEADLINE_SECONDS, wait_for
from soundlift.cli.top import source as module
from soundlift.cli.top.source import Source
from soundlift.common.errors import DatabaseUnavailable


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLOW_SECONDS", 0.0)


def test_an_answer_is_good_until_the_next_question() -> None:
    source = Source("a", lambda: 1)
    source.start(3600)
    source.wait(DEADLINE_SECONDS)
    assert (source.latest.value, source.latest.error) == (1, None)


def test_an_error_is_the_answer() -> None:
    def read() -> int:
        raise DatabaseUnavailable("The database does not answer.", cause="refused")

    source = Source("a", read)
    source.start(3600)
    source.wait(DEADLINE_SECONDS)
    assert (source.latest.value, source.latest.error) == (None, "The database does not answer (refused)")


def test_the_last_answer_is_kept_while_the_next_one_does_not_arrive() -> None:
    free, answers = Event(), iter([1])

    def read() -> int:
        for answer in answers:
            return answer
        free.wait(DEADLINE_SECONDS)
        return 2

    source = Source("a", read)
    source.start(0)
    try:
        wait_for(lambda: "no answer for" in (source.latest.error or ""), "the server is reported")
        assert source.latest.value == 1
    finally:
        free.set()
