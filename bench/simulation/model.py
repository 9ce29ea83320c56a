"""The model of a deployment: uploads, the queue, the connector, convert, notify and cleanup, over one database."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from statistics import mean

from bench.simulation.engine import Clock, Process, Resource
from bench.simulation.parameters import Deployment, Times
from bench.simulation.turns import Key, Queue
from functions.convert.choice import MAX_CHOICES, MAX_LOST_RACES
from soundlift.common.broker import DELAYS
from soundlift.common.db.tables import UPLOAD_LOCKS
from soundlift.common.jobs.model import BATCH, FIRST_RESEND_SECONDS

CLEANUP_SECONDS = 60


@dataclass
class Outcome:
    """What happened: when the videos were ready, how long they waited, and what the workers lost."""

    ready: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    notified: int = 0
    tries: int = 0
    lost_races: int = 0
    busy: int = 0
    resent: int = 0
    database_use: float = 0.0

    @property
    def per_second(self) -> float:
        """Return the videos per second."""
        return len(self.ready) / max(self.ready)

    @property
    def steady_per_second(self) -> float:
        """Return the videos per second between the first tenth and the last fifth, while all slots are in use."""
        first, last = len(self.ready) // 10, len(self.ready) * 8 // 10
        return (last - first) / (self.ready[last] - self.ready[first])

    @property
    def mean_wait(self) -> float:
        """Return the seconds from the end of an upload until a worker has claimed the job."""
        return mean(self.waits)


class Model:
    """One run of a deployment."""

    def __init__(self, deployment: Deployment, times: Times, *, seed: int) -> None:
        self._deployment = deployment
        self._times = times
        self._chance = random.Random(seed)  # noqa: S311 - a simulation
        self._clock = Clock()
        self._database = Resource(self._clock, deployment.database_cores)
        self._locks = [Resource(self._clock, 1) for _ in range(UPLOAD_LOCKS)]
        self._mails = Resource(self._clock, deployment.mail_deliveries)
        slots = deployment.replicas * deployment.slots
        self._free_deliveries = deployment.deliveries or slots
        self._slots = Resource(self._clock, slots)
        self._events: deque[int] = deque()  # the attempts of each
        self._queue = Queue()
        self._queued_at: dict[Key, float] = {}
        self._due_at: dict[Key, float] = {}
        self._users: dict[Key, int] = {}  # of the jobs that are being converted
        self.outcome = Outcome()

    def run(self) -> Outcome:
        """Return what happened until all videos were converted and their owners notified."""
        for number in range(self._deployment.videos):
            if self._deployment.per_second is None:
                self._queue_job(number % self._deployment.users)
            else:
                self._clock.start(self._upload(), after=number / self._deployment.per_second)
        self._clock.start(self._clean_up(), after=CLEANUP_SECONDS)
        self._clock.run()
        self.outcome.database_use = self._database.utilization(max(self.outcome.ready))
        return self.outcome

    def _upload(self) -> Process:
        user = self._chance.randrange(self._deployment.users)
        for _ in range(2):  # the row of the upload, and the job that is queued
            yield from self._locked(user, self._times.upload / 2)
        self._queue_job(user)

    def _locked(self, user: int, seconds: float) -> Process:
        """Let the database work while the lock of a user is held."""
        lock = self._locks[user % UPLOAD_LOCKS]
        yield lock
        yield from self._database.use(seconds)
        lock.release()

    def _queue_job(self, user: int) -> None:
        key = self._queue.add(user)
        self._queued_at[key] = self._clock.now
        self._due_at[key] = self._clock.now + FIRST_RESEND_SECONDS
        if self._chance.random() >= self._deployment.events_lost:
            self._publish(1)

    def _publish(self, attempt: int) -> None:
        self._events.append(attempt)
        self._deliver()

    def _deliver(self) -> None:
        while self._events and self._free_deliveries:
            self._free_deliveries -= 1
            self._clock.start(self._delivery(self._events.popleft()))

    def _delivery(self, attempt: int) -> Process:
        yield self._times.delivery
        yield self._slots
        key = yield from self._claim()
        if key is None:
            yield from self._retry_if_busy(attempt)
        else:
            yield from self._convert(key)
        self._slots.release()
        self._free_deliveries += 1
        self._deliver()

    def _claim(self) -> Process:
        """Choose a job and claim it, as functions/convert/handler.py does."""
        in_turn = self._deployment.choice == "in turn"
        for choice in range(MAX_CHOICES):
            yield from self._database.use(self._times.choose)
            candidates = self._queue.choose(choice, self._chance, in_turn=in_turn)
            if not candidates:
                return None
            for key in candidates if in_turn else candidates[:MAX_LOST_RACES]:
                yield from self._database.use(self._times.claim)
                self.outcome.tries += 1
                user = self._queue.take(key)
                if user is not None:
                    self._users[key] = user
                    return key
                self.outcome.lost_races += 1
        self.outcome.busy += 1
        return None

    def _convert(self, key: Key) -> Process:
        self.outcome.waits.append(self._clock.now - self._queued_at.pop(key))
        del self._due_at[key]
        seconds = self._chance.choice(self._times.conversions) * self._deployment.conversion_factor
        for _ in range(int(seconds)):
            yield 1.0
            self._clock.start(self._database.use(self._times.heartbeat))
        yield seconds % 1
        yield from self._locked(self._users.pop(key), self._times.convert)
        self.outcome.ready.append(self._clock.now)
        self._clock.start(self._notify())

    def _retry_if_busy(self, attempt: int) -> Process:
        """Deliver an event again later, unless no job waits."""
        if self._queue:
            self._clock.start(self._deliver_later(attempt))
        yield 0.0

    def _deliver_later(self, attempt: int) -> Process:
        yield DELAYS[min(attempt, len(DELAYS)) - 1]
        self._publish(attempt + 1)

    def _notify(self) -> Process:
        yield self._mails
        yield self._times.delivery
        yield from self._database.use(self._times.notify)
        yield self._times.mail
        self._mails.release()
        self.outcome.notified += 1

    def _clean_up(self) -> Process:
        """Send the events of overdue jobs again, a batch each minute."""
        while len(self.outcome.ready) < self._deployment.videos:
            overdue = sorted((due, key) for key, due in self._due_at.items() if due <= self._clock.now)
            for due, key in overdue[:BATCH]:
                yield from self._database.use(self._times.claim)
                if key in self._due_at:
                    self._due_at[key] = self._clock.now + 2 * (self._clock.now - due + FIRST_RESEND_SECONDS)
                    self.outcome.resent += 1
                    self._publish(1)
            yield float(CLEANUP_SECONDS)
