"""The queued jobs of the model, in the order of soundlift/common/jobs/turns.py."""

from __future__ import annotations

import random
from bisect import bisect_left, insort

from functions.convert.choice import CANDIDATES

Key = tuple[int, int]  # turn, number


class Queue:
    """Jobs in turn, each with its user."""

    def __init__(self) -> None:
        self._keys: list[Key] = []
        self._user_of: dict[Key, int] = {}
        self._last_turn: dict[int, int] = {}
        self._number = 0

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, user: int) -> Key:
        """Queue a job of a user."""
        first = self._keys[0][0] if self._keys else 0
        turn = 1 + max(first, self._last_turn.get(user, 0))
        self._last_turn[user] = turn
        self._number += 1
        key = turn, self._number
        self._user_of[key] = user
        insort(self._keys, key)
        return key

    def take(self, key: Key) -> int | None:
        """Claim a job, and return its user; None if another worker has taken it."""
        user = self._user_of.pop(key, None)
        if user is not None:
            del self._keys[bisect_left(self._keys, key)]
        return user

    def choose(self, choice: int, chance: random.Random, *, in_turn: bool) -> list[Key]:
        """Return what a worker tries to claim, in this order."""
        if in_turn:
            return self._keys[:CANDIDATES]
        skip = chance.randrange(CANDIDATES * (2**choice - 1) + 1)
        found = self._keys[skip : skip + CANDIDATES]
        if len(found) < CANDIDATES:
            found = self._keys[:CANDIDATES]
        first = [] if choice else found[:1]
        others = found[len(first) :]
        chance.shuffle(others)
        return first + others
