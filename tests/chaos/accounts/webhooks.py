"""Webhooks as their receiver saw them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tests.chaos.history import Fact


@dataclass(frozen=True)
class Received:
    """A webhook; `at` is in seconds since the start of the run. `type` is None if its signature is wrong."""

    id: str
    to: str
    job: str | None
    type: str | None
    ended_at: str | None
    is_accepted: bool
    at: float


def read_webhooks(facts: Iterable[Fact]) -> list[Received]:
    """Return the webhooks of a history, in the order in which they arrived."""
    names = ("id", "to", "job", "type", "ended_at", "at")
    return [
        Received(**{name: fact[name] for name in names}, is_accepted=200 <= fact["status"] < 300)
        for fact in facts
        if fact["kind"] == "webhook"
    ]
