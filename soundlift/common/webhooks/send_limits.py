"""The limits on what users let us send to addresses that may be strangers': tests, and deliveries once more.

What a job announces is limited by the quotas of jobs.
"""

from __future__ import annotations

from soundlift.common.auth.attempts import Policy

HOUR = 3600
TESTS_PER_HOUR = 60
REPLAYS_PER_HOUR = 1000  # after a receiver was away for long, each of its deliveries may be sent again

TESTS = Policy(
    "webhook: test",
    "You have sent too many tests to webhooks.",
    free=TESTS_PER_HOUR,
    window_seconds=HOUR,
    first_lock_seconds=60,
)
REPLAYS = Policy(
    "webhook: replay",
    "You have sent too many deliveries again.",
    free=REPLAYS_PER_HOUR,
    window_seconds=HOUR,
    first_lock_seconds=60,
)
