"""The limits on failed sign-ins: of an account, from a network, and of an account in a network where it is known."""

from __future__ import annotations

from threading import Barrier

import pytest

from soundlift.common.auth import sign_in_limits as module
from soundlift.common.auth.sign_in_limits import SignInLimits
from soundlift.common.errors import TooManyAttempts
from soundlift.common.services import Services
from tests.factories.attempts import age_attempts
from tests.factories.races import race

ADA, BOB, NOBODY = "ada@example.org", "bob@example.org", "nobody@example.org"
HOME, STRANGE, ELSEWHERE = "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"
PER_ACCOUNT, PER_NETWORK = 3, 5
DAY = 24 * 3600
LOCK_SECONDS = 60


@pytest.fixture
def limits(services: Services, monkeypatch: pytest.MonkeyPatch) -> SignInLimits:
    """Return limits whose locks last longer, so that a busy machine does not see their end."""
    monkeypatch.setattr(module, "FIRST_LOCK_SECONDS", LOCK_SECONDS)
    return SignInLimits(services.attempts, per_account=PER_ACCOUNT, per_network=PER_NETWORK)


def is_locked(limits: SignInLimits, email: str, network: str | None) -> bool:
    """Return whether a sign-in is refused; one that is not fails."""
    try:
        limits.begin(email, network)
    except TooManyAttempts:
        return True
    return False


def fail(limits: SignInLimits, email: str, network: str | None, times: int) -> None:
    for _ in range(times):
        assert not is_locked(limits, email, network)


def succeed(limits: SignInLimits, email: str, network: str | None) -> None:
    limits.succeed(limits.begin(email, network))


@pytest.mark.parametrize("email", [ADA, NOBODY])
@pytest.mark.parametrize("network", [HOME, None])
def test_failures_lock_an_account_for_everybody_who_has_never_signed_in_to_it(
    limits: SignInLimits, email: str, network: str | None
) -> None:
    fail(limits, email, network, PER_ACCOUNT)
    assert is_locked(limits, email, network)
    assert is_locked(limits, f" {email.upper()} ", ELSEWHERE)
    assert is_locked(limits, email, None)
    assert not is_locked(limits, BOB, HOME)


def test_failures_with_any_accounts_lock_a_network(limits: SignInLimits) -> None:
    for number in range(PER_NETWORK):
        fail(limits, f"{number}@example.org", STRANGE, 1)
    assert is_locked(limits, ADA, STRANGE)
    assert not is_locked(limits, ADA, HOME)
    assert not is_locked(limits, ADA, None)


def test_a_success_forgets_the_failures_of_the_account_but_not_those_from_the_network(
    services: Services, limits: SignInLimits
) -> None:
    fail(limits, ADA, STRANGE, PER_ACCOUNT - 1)
    succeed(limits, ADA, STRANGE)
    fail(limits, ADA, ELSEWHERE, PER_ACCOUNT)
    assert is_locked(limits, ADA, ELSEWHERE)
    fail(limits, BOB, STRANGE, PER_NETWORK - PER_ACCOUNT + 1)
    assert is_locked(limits, NOBODY, STRANGE)


@pytest.mark.slow
def test_any_number_of_successes_locks_nothing(limits: SignInLimits) -> None:
    for number in range(2 * PER_NETWORK):
        succeed(limits, f"{number}@example.org", HOME)
        succeed(limits, ADA, HOME)
        succeed(limits, ADA, None)


def test_strangers_do_not_lock_a_user_out_where_the_account_has_signed_in_before(
    services: Services, limits: SignInLimits
) -> None:
    succeed(limits, ADA, HOME)
    fail(limits, ADA, STRANGE, PER_ACCOUNT)
    assert is_locked(limits, ADA, STRANGE)
    succeed(limits, ADA, HOME)
    assert is_locked(limits, ADA, STRANGE), "a success at home gives strangers no further guesses"
    age_attempts(services, 29 * DAY)
    fail(limits, ADA, STRANGE, PER_ACCOUNT)
    succeed(limits, ADA, HOME)
    age_attempts(services, 31 * DAY)
    fail(limits, ADA, STRANGE, PER_ACCOUNT)
    assert is_locked(limits, ADA, HOME), "the last success is too long ago"


def test_failures_in_a_known_network_lock_the_account_there_only(limits: SignInLimits) -> None:
    succeed(limits, ADA, HOME)
    fail(limits, ADA, HOME, PER_ACCOUNT)
    assert is_locked(limits, ADA, HOME)
    assert not is_locked(limits, ADA, ELSEWHERE)
    assert not is_locked(limits, BOB, HOME)


def test_failures_alone_never_make_a_network_known(services: Services, limits: SignInLimits) -> None:
    fail(limits, ADA, STRANGE, PER_ACCOUNT)
    age_attempts(services, LOCK_SECONDS)
    fail(limits, ADA, STRANGE, 1)
    assert is_locked(limits, ADA, STRANGE)
    assert is_locked(limits, ADA, ELSEWHERE)


def test_a_sign_in_whose_password_was_not_checked_does_not_count(limits: SignInLimits) -> None:
    for _ in range(2 * PER_NETWORK):
        limits.cancel(limits.begin(ADA, HOME))
    fail(limits, ADA, HOME, PER_ACCOUNT)
    assert is_locked(limits, ADA, HOME)


def test_sign_ins_that_succeed_or_are_not_checked_lock_nothing_even_after_too_many_failures(
    services: Services, limits: SignInLimits
) -> None:
    fail(limits, NOBODY, STRANGE, PER_ACCOUNT)
    age_attempts(services, LOCK_SECONDS)
    for number in range(PER_NETWORK):
        fail(limits, f"{number}@example.org", HOME, 1)
    age_attempts(services, LOCK_SECONDS)
    for _ in range(3):
        limits.cancel(limits.begin(NOBODY, ELSEWHERE))
    succeed(limits, ADA, HOME)
    succeed(limits, BOB, HOME)


def test_a_refused_sign_in_counts_neither_for_the_account_nor_for_the_network(
    services: Services, limits: SignInLimits
) -> None:
    fail(limits, ADA, STRANGE, PER_ACCOUNT)
    for _ in range(2 * PER_NETWORK):
        assert is_locked(limits, ADA, STRANGE)
    fail(limits, BOB, STRANGE, PER_NETWORK - PER_ACCOUNT)
    assert is_locked(limits, NOBODY, STRANGE)
    fail(limits, NOBODY, ELSEWHERE, PER_ACCOUNT)


def test_a_new_password_ends_the_lock(limits: SignInLimits) -> None:
    fail(limits, ADA, STRANGE, PER_ACCOUNT)
    limits.forget(f" {ADA.upper()}")
    assert not is_locked(limits, ADA, STRANGE)


def test_a_limit_of_0_is_no_limit(services: Services) -> None:
    accounts_only = SignInLimits(services.attempts, per_account=PER_ACCOUNT, per_network=0)
    networks_only = SignInLimits(services.attempts, per_account=0, per_network=PER_NETWORK)
    fail(networks_only, ADA, HOME, PER_NETWORK)
    assert is_locked(networks_only, ADA, HOME)
    for number in range(2 * PER_NETWORK):
        fail(accounts_only, f"{number}@example.org", HOME, 1)
    fail(networks_only, ADA, None, 2 * PER_NETWORK)


@pytest.mark.slow
def test_concurrent_guesses_from_several_networks_do_not_exceed_the_limit_of_the_account(
    services: Services, limits: SignInLimits
) -> None:
    for number in range(3):
        steps = [
            lambda rival, network=f"192.0.{step}.0/24", email=f"{number}@example.org": is_locked(
                SignInLimits(rival.attempts, per_account=PER_ACCOUNT, per_network=PER_NETWORK), email, network
            )
            for step in range(6)
        ]
        assert race(services, steps).count(False) == PER_ACCOUNT


@pytest.mark.slow
def test_concurrent_sign_ins_of_one_user_that_all_succeed_leave_no_failure(services: Services) -> None:
    checked = Barrier(PER_ACCOUNT)

    def sign_in(rival: Services) -> None:
        limits = SignInLimits(rival.attempts, per_account=PER_ACCOUNT + 1, per_network=PER_NETWORK)
        attempt = limits.begin(ADA, HOME)
        checked.wait()
        limits.succeed(attempt)

    race(services, [sign_in] * PER_ACCOUNT)
    limits = SignInLimits(services.attempts, per_account=PER_ACCOUNT, per_network=PER_NETWORK)
    fail(limits, ADA, ELSEWHERE, PER_ACCOUNT)
    for number in range(PER_NETWORK):
        fail(limits, f"{number}@example.org", HOME, 1)
