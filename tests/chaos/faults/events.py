"""Faults of the deliveries: repeated, reordered, and late."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from soundlift.common.errors import SoundliftError
from soundlift.common.events import event_for
from soundlift.common.jobs.model import CANCELLABLE, OUTCOMES
from tests.chaos.schedule import Fault
from tests.chaos.system.system import System

REPEATED = 40
COPIES = 2


@contextmanager
def repeat_deliveries(system: System, fault: Fault) -> Iterator[None]:
    """Publish the events of jobs in all states once more, twice each and in a random order."""
    order = random.Random(fault.choice)
    jobs = [job for job in system.services.jobs.page(None) if job.state in (*CANCELLABLE, *OUTCOMES)]
    events = [event_for(job) for job in order.sample(jobs, min(REPEATED, len(jobs))) for _ in range(COPIES)]
    order.shuffle(events)
    with suppress(SoundliftError):  # the broker may be away, by another fault
        for event in events:
            system.services.publisher.publish(event)
    yield
