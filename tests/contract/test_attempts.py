"""Attempts: what is free, how long each further one locks, and that concurrent ones cannot exceed the limit."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from soundlift.common.auth import attempts as module
from soundlift.common.auth.attempts import Policy
from soundlift.common.db.tables import attempts as table
from soundlift.common.errors import TooManyAttempts
from soundlift.common.services import Services
from tests.factories.attempts import age_attempts, count_rows
from tests.factories.races import race

POLICY = Policy("knock", "Too many knocks.", free=3, window_seconds=3600)
ROUNDS = 5


def lock_of(services: Services, policy: Policy = POLICY, subject: str = "ada") -> int:
    """Return for how many seconds an action is locked; count an attempt if it is not."""
    try:
        services.attempts.count(policy, subject)
    except TooManyAttempts as error:
        return error.retry_after
    return 0


def locks(services: Services, number: int) -> list[int]:
    """Return how long each of several attempts locked the action, each made as soon as it was possible."""
    found = []
    for _ in range(number):
        assert lock_of(services) == 0
        found.append(lock_of(services))
        age_attempts(services, found[-1])
    return found


def test_each_attempt_after_the_free_ones_locks_for_twice_as_long_up_to_a_maximum(services: Services) -> None:
    for _ in range(2):
        assert lock_of(services) == 0
    assert locks(services, 13) == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]


def test_a_refused_attempt_states_when_the_next_one_is_possible_and_is_not_counted(services: Services) -> None:
    policy = replace(POLICY, free=1, first_lock_seconds=60)
    assert [lock_of(services, policy) for _ in range(4)] == [0, 60, 60, 60]
    with pytest.raises(TooManyAttempts, match=r"^Too many knocks\. Try again in 60 seconds\.$") as raised:
        services.attempts.count(policy, "ada")
    assert raised.value.headers == {"Retry-After": "60"}
    age_attempts(services, 60)
    assert [lock_of(services, policy) for _ in range(2)] == [0, 120]
    with pytest.raises(TooManyAttempts, match=r"Try again in 2 minutes\.$"):
        services.attempts.count(policy, "ada")


def test_other_subjects_and_actions_are_counted_separately(services: Services) -> None:
    policy = replace(POLICY, free=1)
    assert [lock_of(services, policy) for _ in range(2)] == [0, 1]
    assert lock_of(services, policy, "bob") == 0
    assert lock_of(services, replace(policy, action="ring")) == 0


def test_attempts_are_forgotten_after_a_while_without_one(services: Services) -> None:
    for _ in range(2):
        assert lock_of(services) == 0
    age_attempts(services, POLICY.window_seconds - 60)
    assert lock_of(services) == 0
    assert lock_of(services) == 1
    age_attempts(services, POLICY.window_seconds + 60)
    assert [lock_of(services) for _ in range(4)] == [0, 0, 0, 1]


def test_attempts_can_be_forgotten_at_once(services: Services) -> None:
    assert [lock_of(services) for _ in range(4)] == [0, 0, 0, 1]
    services.attempts.forget(POLICY, "ada")
    assert [lock_of(services) for _ in range(4)] == [0, 0, 0, 1]


def test_an_attempt_that_is_taken_back_does_not_count(services: Services) -> None:
    for _ in range(5):
        assert lock_of(services) == 0
        services.attempts.transact(lambda counts: counts.take_back(POLICY, "ada"))
    assert [lock_of(services) for _ in range(4)] == [0, 0, 0, 1]
    services.attempts.transact(lambda counts: counts.take_back(POLICY, "ada"))
    assert lock_of(services) == 0, "it had locked the action"
    age_attempts(services, 1)
    assert lock_of(services) == 0
    services.attempts.transact(lambda counts: counts.take_back(POLICY, "ada"))
    assert lock_of(services) == 2, "others have locked the action"


def test_concurrent_attempts_do_not_exceed_the_limit(services: Services) -> None:
    policy = replace(POLICY, first_lock_seconds=60)
    for number in range(ROUNDS):
        subject = f"user {number}"
        allowed = race(services, [lambda rival, subject=subject: lock_of(rival, policy, subject) == 0] * 6)
        assert allowed.count(True) == policy.free


def test_what_is_counted_within_one_transaction_is_rolled_back_together(services: Services) -> None:
    locked, other = replace(POLICY, free=1), replace(POLICY, action="ring", free=1)
    assert lock_of(services, locked) == 0
    with pytest.raises(TooManyAttempts):
        services.attempts.transact(lambda counts: (counts.add(other, "ada"), counts.add(locked, "ada")))
    assert lock_of(services, other) == 0


def test_only_subjects_whose_attempts_are_not_forgotten_are_found(services: Services) -> None:
    def is_found(subject: str) -> bool:
        return services.attempts.transact(lambda counts: counts.has(POLICY, subject))

    assert not is_found("ada")
    services.attempts.count(POLICY, "ada")
    assert is_found("ada")
    assert not is_found("bob")
    age_attempts(services, POLICY.window_seconds)
    assert not is_found("ada")


def test_forgotten_attempts_are_deleted_in_batches(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DELETE_BATCH", 2)
    for subject in ("ada", "bob", "carl"):
        services.attempts.count(POLICY, subject)
    assert services.attempts.delete_expired() == 0
    age_attempts(services, POLICY.window_seconds)
    services.attempts.count(POLICY, "dora")
    assert [services.attempts.delete_expired() for _ in range(3)] == [2, 1, 0]
    assert count_rows(services) == 1


def test_the_table_discloses_neither_accounts_nor_addresses(services: Services) -> None:
    services.attempts.count(POLICY, "ada@example.org")
    other = Services(replace(services.settings, jwt_secret=("another secret, longer than 32 bytes",)))
    other.attempts.count(POLICY, "ada@example.org")
    other.database.engine.dispose()
    with services.database.read() as connection:
        keys = connection.scalars(sa.select(table.c.key)).all()
    assert len(set(keys)) == 2
    assert all(len(key) == 64 and set(key) <= set("0123456789abcdef") for key in keys)
