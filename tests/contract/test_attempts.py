"""Attempts: what is free, how long each further one locks, and that concurrent ones cannot exceed the limit."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from soundlift.common.auth import attempts as module
from soundlift.common.auth.attempts import Attempt, Policy
from soundlift.common.db import batches
from soundlift.common.db.tables import attempts as table
from soundlift.common.errors import TooManyAttempts
from soundlift.common.services import Services
from tests.factories.attempts import age_attempts, count_rows
from tests.factories.races import race

POLICY = Policy("knock", "Too many knocks.", free=3, window_seconds=3600, first_lock_seconds=60)
LATE_SECONDS = 20  # a busy machine
ROUNDS = 5


def lock_of(services: Services, policy: Policy = POLICY, subject: str = "ada") -> int:
    """Return for how many seconds an action is locked; count an attempt if it is not."""
    try:
        services.attempts.count(policy, subject)
    except TooManyAttempts as error:
        return error.retry_after
    return 0


def is_locked(services: Services, policy: Policy = POLICY, subject: str = "ada") -> bool:
    return lock_of(services, policy, subject) > 0


def test_each_attempt_after_the_free_ones_locks_for_twice_as_long_up_to_a_maximum(services: Services) -> None:
    for _ in range(2):
        assert not is_locked(services)
    for seconds in (60, 120, 240, 480, 900, 900, 900):
        assert not is_locked(services)
        assert seconds - LATE_SECONDS < lock_of(services) <= seconds
        age_attempts(services, seconds)
    assert [replace(POLICY, first_lock_seconds=1).lock_seconds(count) for count in (2, 3, 4, 10**9)] == [0, 1, 2, 900]


def test_a_refused_attempt_states_when_the_next_one_is_possible_and_is_not_counted(services: Services) -> None:
    policy = replace(POLICY, free=1)
    assert [is_locked(services, policy) for _ in range(4)] == [False, True, True, True]
    with pytest.raises(TooManyAttempts) as raised:
        services.attempts.count(policy, "ada")
    assert raised.value.detail == f"Too many knocks. Try again in {raised.value.retry_after} seconds."
    assert raised.value.headers == {"Retry-After": str(raised.value.retry_after)}
    age_attempts(services, 60)
    assert [is_locked(services, policy) for _ in range(2)] == [False, True]
    with pytest.raises(TooManyAttempts, match=r"^Too many knocks\. Try again in 2 minutes\.$"):
        services.attempts.count(policy, "ada")


def test_each_lock_is_logged_without_its_subject(services: Services) -> None:
    with capture_logs() as logs:
        assert [is_locked(services) for _ in range(4)] == [False, False, False, True]
    line = {"event": "too many attempts, locked", "action": "knock", "attempts": 3, "seconds": 60}
    assert logs == [{**line, "log_level": "warning"}]


def test_other_subjects_and_actions_are_counted_separately(services: Services) -> None:
    policy = replace(POLICY, free=1)
    assert [is_locked(services, policy) for _ in range(2)] == [False, True]
    assert not is_locked(services, policy, "bob")
    assert not is_locked(services, replace(policy, action="ring"))


def test_attempts_are_forgotten_after_a_while_without_one(services: Services) -> None:
    for _ in range(2):
        assert not is_locked(services)
    age_attempts(services, POLICY.window_seconds - 60)
    assert [is_locked(services) for _ in range(2)] == [False, True]
    age_attempts(services, POLICY.window_seconds + 60)
    assert [is_locked(services) for _ in range(4)] == [False, False, False, True]


def test_attempts_can_be_forgotten_at_once(services: Services) -> None:
    for _ in range(2):
        assert [is_locked(services) for _ in range(4)] == [False, False, False, True]
        services.attempts.forget(POLICY, "ada")


def add(services: Services) -> Attempt:
    return services.attempts.transact(lambda counts: counts.add(POLICY, "ada"))


def take_back(services: Services, attempt: Attempt) -> None:
    services.attempts.transact(lambda counts: counts.take_back(attempt))


def test_attempts_that_are_taken_back_leave_nothing(services: Services) -> None:
    for _ in range(5):
        take_back(services, add(services))
    assert count_rows(services) == 0
    assert [is_locked(services) for _ in range(4)] == [False, False, False, True]


def test_an_attempt_that_is_taken_back_does_not_lock_even_beyond_the_free_ones(services: Services) -> None:
    for _ in range(POLICY.free):
        add(services)
    age_attempts(services, POLICY.first_lock_seconds)
    for _ in range(3):
        take_back(services, add(services))
    assert not is_locked(services)


def test_a_lock_by_a_later_attempt_remains_when_one_is_taken_back(services: Services) -> None:
    add(services)
    slow = add(services)
    assert not is_locked(services)
    take_back(services, slow)
    assert is_locked(services)


def test_an_attempt_that_is_taken_back_does_not_keep_the_ones_before_it_from_being_forgotten(
    services: Services,
) -> None:
    add(services)
    add(services)
    with services.database.read() as connection:
        before = connection.scalar(sa.select(table.c.expires_at))
    take_back(services, add(services))
    with services.database.read() as connection:
        assert connection.scalar(sa.select(table.c.expires_at)) == before


@pytest.mark.slow
def test_concurrent_attempts_do_not_exceed_the_limit(services: Services) -> None:
    for number in range(ROUNDS):
        subject = f"user {number}"
        refused = race(services, [lambda rival, subject=subject: is_locked(rival, POLICY, subject)] * 6)
        assert refused.count(False) == POLICY.free


def test_what_is_counted_within_one_transaction_is_rolled_back_together(services: Services) -> None:
    locked, other = replace(POLICY, free=1), replace(POLICY, action="ring", free=1)
    assert not is_locked(services, locked)
    with pytest.raises(TooManyAttempts):
        services.attempts.transact(lambda counts: (counts.add(other, "ada"), counts.add(locked, "ada")))
    assert not is_locked(services, other)


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
    monkeypatch.setattr(batches, "MAX_BATCHES", 1)
    assert services.attempts.delete_expired() == 2
    monkeypatch.setattr(batches, "MAX_BATCHES", 3)
    for subject in ("ada", "bob", "carl"):
        services.attempts.count(POLICY, subject)
    age_attempts(services, POLICY.window_seconds)
    services.attempts.count(POLICY, "emil")
    assert [services.attempts.delete_expired() for _ in range(2)] == [4, 0]
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
