"""When which fault happens to what: the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

FIRST_SECONDS = 2.0
PAUSE_SECONDS = (0.5, 3.0)


class Lane(StrEnum):
    """Sequences of faults: those of one lane follow each other, those of different lanes overlap."""

    PROCESSES = "processes"
    SERVERS = "servers"
    LONG = "long"


@dataclass(frozen=True)
class Kind:
    """A kind of fault: what it may happen to, and how long it lasts in seconds."""

    name: str
    lane: Lane
    targets: tuple[str, ...]
    seconds: tuple[float, float]


@dataclass(frozen=True)
class Fault:
    """One fault; `choice`, below 1, decides what its kind leaves open, such as which of several processes it hits."""

    number: int
    at: float
    name: str
    target: str
    seconds: float
    choice: float


def make_schedule(seed: int, seconds: float, kinds: Sequence[Kind]) -> dict[Lane, list[Fault]]:
    """Return the faults of each lane, in their order, which begin within a number of seconds.

    In each lane, every kind happens once before any happens again, and so do the targets of a kind.
    """
    schedule = {}
    for lane in Lane:
        choice = random.Random(f"{seed}/{lane}")
        own = [kind for kind in kinds if kind.lane == lane]
        schedule[lane] = list(_faults(choice, seconds, own, list(Lane).index(lane) * 10_000)) if own else []
    return schedule


def _faults(choice: random.Random, seconds: float, kinds: Sequence[Kind], number: int) -> Iterator[Fault]:
    targets: dict[str, list[str]] = {kind.name: [] for kind in kinds}
    at = FIRST_SECONDS
    while True:
        for kind in choice.sample(kinds, len(kinds)):
            left = targets[kind.name] = targets[kind.name] or choice.sample(kind.targets, len(kind.targets))
            number += 1
            fault = Fault(number, at, kind.name, left.pop(), choice.uniform(*kind.seconds), choice.random())
            if fault.at >= seconds:
                return
            yield fault
            at += fault.seconds + choice.uniform(*PAUSE_SECONDS)
