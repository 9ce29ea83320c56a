"""How many videos wait when they arrive at random times."""

from __future__ import annotations


def mean_waiting(offered: float, slots: int) -> float:
    """Return how many wait on average for one of the slots, of which `offered` would be in use without a limit.

    This is Erlang's formula C, for arrivals that do not depend on each other and conversions of varying length; its
    probabilities are computed from those of formula B, one slot after another. `offered` must be less than `slots`.
    """
    blocked = 1.0
    for slot in range(1, slots + 1):
        blocked = offered * blocked / (slot + offered * blocked)
    use = offered / slots
    must_wait = blocked / (1 - use * (1 - blocked))
    return must_wait * use / (1 - use)
