"""The faults that may make Soundlift repeat work: send a mail again whose sending was not recorded, or lose a claim."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from typing import Protocol

from tests.chaos.history import Fact

# What a fault must hit: the function that does the work, or what it needs to do and to record it. In the embedded
# stack, all functions run in the gateway, and everything is on one disk.
EVERYTHING = frozenset({"all", "gateway", "supervisor", "data"})
NOTIFYING = EVERYTHING | {"notify", "database", "mail", "names"}
CONVERTING = EVERYTHING | {"convert", "database", "store", "names"}
IMPORTING = EVERYTHING | {"fetch", "database", "store", "names"}
ANNOUNCING = EVERYTHING | {"webhook", "database", "names"}
# Soundlift must recognize an event that it gets again, so these excuse nothing.
REPEATED_EVENTS = ("duplicate", "reorder", "repeat")
MARGIN_SECONDS = 90.0  # longer than a claim, after which a mail is sent again

Period = tuple[float, float]


class Message(Protocol):
    """A mail or a webhook; `at` is None if nobody watched it arrive."""

    @property
    def at(self) -> float | None: ...


def interruptions(faults: Iterable[Fact], targets: Collection[str]) -> list[Period]:
    """Return the begin and end of each fault that may interrupt work; those with the number 0 just happened."""
    periods: dict[tuple[int, float | None], Period] = {}
    for fact in faults:
        if fact["target"] not in targets or any(word in fact["name"] for word in REPEATED_EVENTS):
            continue
        name = (fact["number"], None if fact["number"] else fact["at"])
        begin, _ = periods.get(name, (fact["at"], 0.0))
        periods[name] = (begin, fact["at"])
    return list(periods.values())


def unexplained(messages: Sequence[Message], periods: Collection[Period]) -> int:
    """Return how many of these messages repeat an earlier one, although nothing interrupted its sending.

    If the time of a message is unknown, each interruption explains one.
    """
    times = sorted(message.at for message in messages if message.at is not None)
    if len(times) < len(messages):
        return max(0, len(messages) - 1 - len(periods))
    return sum(
        not any(begin <= again and end >= first - MARGIN_SECONDS for begin, end in periods)
        for first, again in pairwise(times)
    )
