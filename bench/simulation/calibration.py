"""A run of the real functions, connector and servers, from whose history the times of the model are taken."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import mean, median

import sqlalchemy as sa

from bench.harness.pipeline import Pipeline, pipeline
from bench.inputs.clips import clip
from bench.simulation.parameters import Times
from devservers.waiting import wait_for
from soundlift.common.db.tables import job_history
from soundlift.common.events import event_for
from soundlift.common.jobs.history_entry import Step

CLIP_SECONDS = 10
WARM_UP = 8
TIMEOUT_SECONDS = 600
# The database's time for one video by its writing transactions: two of an upload, two of a conversion, and two of a
# notification; choosing takes no longer than one of them.
TRANSACTIONS = 6


@dataclass(frozen=True)
class RealRun:
    """A backlog that was converted: the times of its steps, the videos per second, and the mean wait in seconds."""

    times: Times
    per_second: float
    mean_wait: float


def real_run(videos: int, *, slots: int) -> RealRun:
    """Queue videos, then publish all of their events, and convert them with a number of slots."""
    clip(CLIP_SECONDS)
    with pipeline(slots=slots, deliveries=slots) as running:
        _convert(running, WARM_UP)
        before = running.processor_seconds()["mariadb"]
        began = _convert(running, videos)
        database = (running.processor_seconds()["mariadb"] - before) / videos
        return _measured(_history(running, began), began, database, slots)


def _convert(running: Pipeline, videos: int) -> float:
    """Convert a backlog, and return when the first event was published, by this machine's clock."""
    queued = [running.deployment.queued_job(clip(CLIP_SECONDS)) for _ in range(videos)]
    expected, began = len(running.mail.messages) + videos, time.time()
    for job in queued:
        running.services.broker.publish(event_for(job))
    wait_for(lambda: len(running.mail.messages) >= expected, "all mails are sent", seconds=TIMEOUT_SECONDS)
    return began


def _history(running: Pipeline, began: float) -> dict[str, dict[str, float]]:
    """Return the moments of the steps of each job that ended after a moment."""
    query = sa.select(job_history.c.job, job_history.c.step, job_history.c.at).where(job_history.c.at >= began)
    found: dict[str, dict[str, float]] = {}
    with running.services.database.read() as connection:
        for job, step, at in connection.execute(query):
            found.setdefault(job, {})[step] = at
    return {job: steps for job, steps in found.items() if Step.READY in steps and Step.CLAIMED in steps}


def _measured(history: dict[str, dict[str, float]], began: float, database: float, slots: int) -> RealRun:
    claimed, ready = ([steps[step] for steps in history.values()] for step in (Step.CLAIMED, Step.READY))
    conversions = tuple(end - start for start, end in zip(claimed, ready, strict=True))
    seconds = max(ready) - began
    between = max(0.0, (slots * seconds - sum(conversions)) / len(history))
    transaction = database / TRANSACTIONS
    notified = [steps for steps in history.values() if Step.MAIL_DELIVERED in steps]
    mails = [steps[Step.MAIL_DELIVERED] - steps[Step.READY] for steps in notified]
    times = Times(
        conversions=conversions,
        delivery=max(0.0, between - 4 * transaction),
        upload=2 * transaction,
        convert=transaction,
        notify=2 * transaction,
        choose=transaction / 2,
        claim=transaction,
        heartbeat=transaction / 2,
        mail=median(mails),
    )
    return RealRun(times, len(history) / seconds, mean(start - began for start in claimed))
