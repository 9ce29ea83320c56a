"""What a scrape says about the services of a process."""

from __future__ import annotations

from threading import Event

import pytest

from soundlift.common.errors import StoreUnavailable
from soundlift.common.metrics.state import State
from soundlift.common.services import Services


class AwayStore:
    """A store that is not available."""

    def check(self) -> None:
        raise StoreUnavailable("The store is not available; try again later.")


class HungMail:
    """A mail service whose check does not return before it is released."""

    def __init__(self) -> None:
        self.released = Event()

    def check(self) -> None:
        self.released.wait()


@pytest.mark.slow
def test_a_service_that_does_not_answer_does_not_hide_changes_of_the_others(measured: Services) -> None:
    measured.check("videos")
    hung = measured.mail = HungMail()  # type: ignore[assignment]
    state = State(measured, cache_seconds=0)

    def up() -> dict[str, float]:
        family = next(iter(state.collect()))
        return {sample.labels["service"]: sample.value for sample in family.samples}

    try:
        assert up() == {"videos": 1, "mail": 0}
        measured.videos = AwayStore()  # type: ignore[assignment]
        assert up() == {"videos": 0, "mail": 0}
    finally:
        hung.released.set()
