"""The limits on emails with links for choosing a password, so that nobody's mailbox is flooded with them."""

from __future__ import annotations

from soundlift.common.auth.attempts import Attempts, Counts, Policy
from soundlift.common.auth.password_links import Purpose

HOUR = 3600


class LinkLimits:
    """The limits on requests for a link, with a number of free ones for each address and for each network.

    0 means no limit. Requests are counted in the same way whether the address has an account or not. Those for an
    address are counted by purpose: strangers who sign up with the address of a user do not use up the user's resets.
    """

    def __init__(self, attempts: Attempts, *, per_address: int, per_network: int) -> None:
        self._attempts = attempts
        self._address = {purpose: _address_policy(purpose, per_address) for purpose in Purpose}
        self._network = Policy(
            "link: network",
            "Too many emails were requested from your network.",
            free=per_network,
            window_seconds=24 * HOUR,
            first_lock_seconds=60,
            max_lock_seconds=HOUR,
        )

    def count(self, purpose: Purpose, address: str, network: str | None) -> None:
        """Count a request, before it is made; raises TooManyAttempts, and counts nothing, while one of both is locked.

        `network` is None if it is unknown; then only the address is limited.
        """
        limits = [(self._network, network), (self._address[purpose], address)]

        def add(counts: Counts) -> None:
            for policy, subject in limits:
                if policy.free and subject is not None:
                    counts.add(policy, subject)

        self._attempts.transact(add)


def _address_policy(purpose: Purpose, free: int) -> Policy:
    return Policy(
        f"link: {purpose} address",
        "Too many emails were sent to this address.",
        free=free,
        window_seconds=24 * HOUR,
        first_lock_seconds=HOUR,
        max_lock_seconds=6 * HOUR,
    )
