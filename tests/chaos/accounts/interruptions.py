"""The faults that may make Soundlift repeat work: send a mail again whose sending was not recorded, or lose a claim."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.chaos.history import Fact
from tests.chaos.outside.view import Mail

# Soundlift must recognize an event that it gets again, so these excuse nothing.
REPEATED_EVENTS = ("duplicate", "reorder", "repeat")
MARGIN_SECONDS = 90.0  # longer than a claim, after which a mail is sent again


def interruptions(faults: Iterable[Fact]) -> list[tuple[float, float]]:
    """Return the begin and end of each fault that may interrupt a worker; those with the number 0 just happened."""
    periods: dict[tuple[int, float | None], tuple[float, float]] = {}
    for fact in faults:
        if any(word in fact["name"] for word in REPEATED_EVENTS):
            continue
        name = (fact["number"], None if fact["number"] else fact["at"])
        begin, _ = periods.get(name, (fact["at"], 0.0))
        periods[name] = (begin, fact["at"])
    return list(periods.values())


def count_between(mails: Sequence[Mail], periods: Iterable[tuple[float, float]]) -> int:
    """Return how many interruptions may have repeated these mails: all, if the time of a mail is unknown."""
    times = [mail.at for mail in mails if mail.at is not None]
    if len(times) < len(mails):
        return len(list(periods))
    first, last = min(times) - MARGIN_SECONDS, max(times)
    return sum(begin <= last and end >= first for begin, end in periods)
