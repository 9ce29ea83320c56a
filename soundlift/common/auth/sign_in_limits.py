"""The limits on failed sign-ins: of an account, from a network, and of an account from a network where it is known.

A stranger who fails often enough locks an account, for at most MAX_LOCK_SECONDS at a time, but could do so for ever.
Therefore the failures from a network where the account has signed in before are counted separately: strangers elsewhere
do not lock its user out there. A success there does not reset the count of the others either: a program of the user
that signs in every minute would give them as many guesses as they like.
"""

from __future__ import annotations

from dataclasses import dataclass

from soundlift.common.auth.attempts import Attempt, Attempts, Counts, Policy

REFUSAL = "Too many sign-ins have failed or are in progress."
FIRST_LOCK_SECONDS = 1
FORGET_SECONDS = 24 * 3600
KNOWN_SECONDS = 30 * 24 * 3600

KNOWN = Policy("sign-in: known network", REFUSAL, free=2**31, window_seconds=KNOWN_SECONDS, first_lock_seconds=0)


@dataclass(frozen=True)
class SignIn:
    """An attempt to sign in, counted as a failure until it succeeds or is not made; `counted` is under each limit.

    `account` is None if it is not known before the attempt, as in a sign-in with an identity provider.
    """

    account: str | None
    network: str | None
    counted: tuple[Attempt, ...]


class SignInLimits:
    """The limits on failed sign-ins, with a number of free failures for each account and for each network.

    0 means no limit. What is counted, and for how long it locks, is the same whether an account exists or not.
    """

    def __init__(self, attempts: Attempts, *, per_account: int, per_network: int) -> None:
        self._attempts = attempts
        self._account = _policy("account", per_account)
        self._known = _policy("account in a known network", per_account)
        self._network = _policy("network", per_network)

    def begin(self, email: str | None, network: str | None) -> SignIn:
        """Count a sign-in from a network as failed, before its password is checked; raises TooManyAttempts if locked.

        Each of the two is None if it is unknown; then only the other one is limited.
        """
        account = account_key(email) if email is not None else None

        def count(counts: Counts) -> SignIn:
            limits = self._limits(counts, account, network)
            return SignIn(account, network, tuple(counts.add(policy, subject) for policy, subject in limits))

        return self._attempts.transact(count)

    def cancel(self, sign_in: SignIn) -> None:
        """Take back the count of a sign-in whose password was not checked."""

        def take_back(counts: Counts) -> None:
            for attempt in sign_in.counted:
                counts.take_back(attempt)

        self._attempts.transact(take_back)

    def succeed(self, sign_in: SignIn) -> None:
        """Take back the count of a sign-in that succeeded, forget the account's failures, and remember its network."""

        def settle(counts: Counts) -> None:
            for attempt in sign_in.counted:
                if attempt.policy == self._network:
                    counts.take_back(attempt)
                else:
                    counts.forget(attempt.policy, attempt.subject)
            if sign_in.account is not None and sign_in.network is not None:
                counts.add(KNOWN, _in_network(sign_in.account, sign_in.network))

        self._attempts.transact(settle)

    def forget(self, email: str, network: str | None = None) -> None:
        """Forget the failures of an account, for example for a new password.

        Of the networks where it is known, this includes only the one that is given.
        """
        account = account_key(email)
        self._attempts.forget(self._account, account)
        if network is not None:
            self._attempts.forget(self._known, _in_network(account, network))

    def _limits(self, counts: Counts, account: str | None, network: str | None) -> list[tuple[Policy, str]]:
        if account is None:
            limits = [(self._network, network)] if network is not None else []
        elif network is None:
            limits = [(self._account, account)]
        elif counts.has(KNOWN, _in_network(account, network)):
            limits = [(self._known, _in_network(account, network))]
        else:  # the network first: while it is locked, it adds nothing to the count of an account
            limits = [(self._network, network), (self._account, account)]
        return [(policy, subject) for policy, subject in limits if policy.free]


def _policy(what: str, free: int) -> Policy:
    return Policy(
        f"sign-in: {what}",
        REFUSAL,
        free=free,
        window_seconds=FORGET_SECONDS,
        first_lock_seconds=FIRST_LOCK_SECONDS,
    )


def account_key(email: str) -> str:
    """Return what is counted as one account: all spellings with which `Users.find` finds the same one."""
    return email.strip().lower()


def _in_network(account: str, network: str) -> str:
    return f"{account} {network}"
