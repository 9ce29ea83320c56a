"""The schedule of faults."""

from __future__ import annotations

from itertools import pairwise

from tests.chaos.faults.kinds import KINDS
from tests.chaos.schedule import Kind, Lane, make_schedule

KILL = Kind("kill", Lane.PROCESSES, ("a", "b", "c"), (1, 2))
STOP = Kind("stop", Lane.PROCESSES, ("a",), (1, 2))
CUT = Kind("cut", Lane.SERVERS, ("x",), (3, 3))


def test_the_same_seed_makes_the_same_schedule_and_another_seed_another_one() -> None:
    assert make_schedule(1, 100, KINDS) == make_schedule(1, 100, KINDS)
    assert make_schedule(1, 100, KINDS) != make_schedule(2, 100, KINDS)


def test_faults_of_a_lane_do_not_overlap() -> None:
    for faults in make_schedule(3, 200, KINDS).values():
        for one, following in pairwise(faults):
            assert one.at + one.seconds < following.at


def test_every_kind_happens_once_before_any_happens_again() -> None:
    faults = make_schedule(4, 200, [KILL, STOP, CUT])[Lane.PROCESSES]
    pairs = list(zip(faults[::2], faults[1::2], strict=False))
    assert len(pairs) > 10
    assert all({one.name, other.name} == {"kill", "stop"} for one, other in pairs)


def test_every_target_of_a_kind_is_hit_once_before_any_is_hit_again() -> None:
    hit = [fault.target for fault in make_schedule(5, 200, [KILL])[Lane.PROCESSES]]
    assert len(hit) > 9
    assert {*hit[:3]} == {*hit[3:6]} == {*hit[6:9]} == {"a", "b", "c"}


def test_no_fault_begins_after_the_end_and_no_two_have_the_same_number() -> None:
    faults = [fault for lane in make_schedule(6, 300, KINDS).values() for fault in lane]
    assert max(fault.at for fault in faults) < 300
    assert len({fault.number for fault in faults}) == len(faults)
