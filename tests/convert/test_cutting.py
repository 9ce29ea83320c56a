"""A part of a track begins and ends at the packets around it, or with packets before it at the exact samples."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from functions.convert.plan.cutting import Part, cut_packets
from functions.convert.probe.packets import Packets

RATE = 1000
TEN = Packets(RATE, Fraction(1, RATE), range(0, 1000, 100), range(0, 1100, 100), [9] * 10, frame=100)


def _cut(packets: Packets = TEN, *, start: float, end: float | None, lead: int = 0, late: float = 0.0) -> Part | None:
    return cut_packets(packets, late=late, start=start, end=end, lead=lead)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0.25, 0.55, (2, 5, 0.2, 0.6)),
        (0.2, 0.5, (2, 4, 0.2, 0.5)),
        (0.0, 0.001, (0, 0, 0.0, 0.1)),
        (0.95, None, (9, 9, 0.9, 1.0)),
        (0.0, 99.0, (0, 9, 0.0, 1.0)),
    ],
)
def test_whole_packets_contain_the_requested_part(start: float, end: float | None, expected: tuple[float, ...]) -> None:
    part = _cut(start=start, end=end)
    assert part is not None
    assert (part.first, part.last, part.start, part.end) == pytest.approx(expected)
    assert (part.skip, part.discard) == (0, 0)


@pytest.mark.parametrize(("start", "end"), [(1.0, None), (5.0, 6.0)])
def test_there_is_nothing_after_the_end(start: float, end: float | None) -> None:
    assert _cut(start=start, end=end) is None
    assert _cut(start=start, end=end, lead=3) is None


def test_with_packets_before_it_a_part_is_exact_to_the_sample() -> None:
    assert _cut(start=0.555, end=0.777, lead=3) == Part(2, 7, 355, 23, pytest.approx(0.555), pytest.approx(0.777))
    assert _cut(start=0.155, end=None, lead=3) == Part(0, 9, 155, 0, pytest.approx(0.155), pytest.approx(1.0))


def test_samples_that_the_track_cuts_off_are_not_played_either() -> None:
    trimmed = replace(TEN, starts=range(-50, 950, 100), skip=50, discard=30)
    for lead in (0, 3):
        part = _cut(trimmed, start=0.0, end=None, lead=lead)
        assert part == Part(0, 9, 50, 30, 0.0, pytest.approx(0.92))


def test_a_late_track_and_a_gap_are_cut_by_their_times() -> None:
    assert _cut(start=0.5, end=0.75, late=0.5) == Part(0, 2, 0, 0, 0.5, 0.8)
    gap = replace(TEN, starts=[n * 100 + (500 if n >= 5 else 0) for n in range(10)])
    part = _cut(gap, start=1.1, end=1.3)
    assert part is not None
    assert (part.first, part.last, part.start, part.end) == pytest.approx((6, 7, 1.1, 1.3))
