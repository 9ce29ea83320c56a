"""The simulated deployment converts every video once, repeats exactly, and shows where replicas wait for each other."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from bench.simulation.model import Model, Outcome
from bench.simulation.parameters import Deployment, Times

TIMES = Times(
    conversions=(1.0,),
    delivery=0.01,
    upload=0.004,
    convert=0.002,
    notify=0.004,
    choose=0.001,
    claim=0.002,
    heartbeat=0.001,
    mail=0.05,
)
BACKLOG = Deployment(replicas=1, videos=40)

run = partial(Model, times=TIMES, seed=7)


def _outcome(deployment: Deployment) -> Outcome:
    return run(deployment).run()


@pytest.mark.parametrize(
    "deployment",
    [BACKLOG, replace(BACKLOG, per_second=0.5), replace(BACKLOG, replicas=30), replace(BACKLOG, events_lost=0.5)],
)
def test_every_video_is_converted_once_and_its_owner_notified(deployment: Deployment) -> None:
    outcome = _outcome(deployment)
    assert len(outcome.ready) == len(outcome.waits) == outcome.notified == deployment.videos


def test_the_same_seed_gives_the_same_outcome() -> None:
    deployment = replace(BACKLOG, replicas=5, events_lost=0.1)
    assert _outcome(deployment) == _outcome(deployment)


def test_two_slots_take_half_of_the_time_of_all_conversions() -> None:
    seconds = TIMES.conversions[0] + TIMES.delivery + TIMES.choose + TIMES.claim + TIMES.convert
    assert max(_outcome(BACKLOG).ready) == pytest.approx(20 * seconds, rel=0.02)


def test_workers_that_try_the_next_job_in_turn_lose_far_more_races_than_those_that_choose_at_random() -> None:
    many = replace(BACKLOG, replicas=100, videos=1000)
    random, in_turn = (_outcome(replace(many, choice=choice)) for choice in ("random", "in turn"))
    assert in_turn.lost_races > 3 * random.lost_races
    assert in_turn.busy > random.busy == 0


def test_cleanup_replaces_a_lost_event_once_it_is_due() -> None:
    outcome = _outcome(replace(BACKLOG, events_lost=1.0))
    assert outcome.resent == BACKLOG.videos
    assert min(outcome.ready) > 600


def test_the_database_limits_what_many_replicas_convert() -> None:
    many = replace(BACKLOG, replicas=200, videos=4000)
    one_core, four_cores = (_outcome(replace(many, database_cores=cores)) for cores in (1, 4))
    assert one_core.database_use > 0.9
    assert four_cores.per_second > 1.5 * one_core.per_second
