"""The choice of the jobs that a worker tries to claim.

The first is the job whose turn it is. If another worker takes it, many workers may be choosing at the same time: they
would all try the next one, and the one after it, and all but one would lose each race. With 100 workers that claim at
the same time, each claim took 77 statements instead of 10 (`python -m bench claims-100`). So a worker that has lost
races chooses at random, from more jobs each time. The first job in the queue is always the first that a worker tries.
"""

from __future__ import annotations

import random

from soundlift.common.jobs.model import Job
from soundlift.common.jobs.queries import JobQueries

CANDIDATES = 16  # jobs that are read at a time
MAX_CHOICES = 6
MAX_LOST_RACES = 2  # for the jobs of one choice


def choose(jobs: JobQueries, choice: int) -> list[Job]:
    """Return at most CANDIDATES jobs in the order in which a worker should try them; `choice` counts from 0."""
    found = jobs.next_in_turn(CANDIDATES, skip=_skip(choice))
    if len(found) < CANDIDATES and choice:  # the queue is shorter than what was to be skipped
        found = jobs.next_in_turn(CANDIDATES)
    first = [] if choice else found[:1]
    others = found[len(first) :]
    random.shuffle(others)
    return first + others


def _skip(choice: int) -> int:
    return random.randrange(CANDIDATES * (2**choice - 1) + 1)  # noqa: S311 - it need not be unpredictable
