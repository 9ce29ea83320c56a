"""A bench compares by turns, and says of each goal whether it is met."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import pytest

from bench.harness.comparison import Goal, Result, Row, Sample, compare
from bench.harness.report import line_of, write_json, write_plot
from bench.rows import ROWS


def test_rounds_take_turns_after_one_that_warms_up() -> None:
    asked: list[str] = []
    figures = count(1)

    def ours() -> Sample:
        asked.append("A")
        return Sample(next(figures), 10)

    def baseline() -> Sample:
        asked.append("B")
        return Sample(2, 30)

    result = compare(Row("row", "s", rounds=3), ours, baseline)
    assert "".join(asked) == "ABBAABBA"
    assert (result.ours.value, result.ours.peak_mb) == (3, 10)
    assert (result.baseline, result.ratio) == (Sample(2, 30), 1.5)


def test_the_ratio_is_that_of_the_rounds_not_of_the_medians() -> None:
    mine, theirs = iter((10.0, 3.0, 1.0)), iter((20.0, 1.0, 1.0))
    result = compare(Row("row", "s", rounds=3, warm_up=0), lambda: Sample(next(mine)), lambda: Sample(next(theirs)))
    assert result.ratio == 1.0
    assert (result.ours.value, result.baseline) == (3.0, Sample(1.0))


@pytest.mark.parametrize(
    ("goal", "words", "met"),
    [
        (Goal(0.5), "ratio <= 0.5", True),
        (Goal(0.4), "ratio <= 0.4", False),
        (Goal(0.5, at_least=True), "ratio >= 0.5", True),
        (Goal(0.6, at_least=True), "ratio >= 0.6", False),
        (Goal(3, of="ours"), "ours <= 3", True),
        (Goal(2, of="ours"), "ours <= 2", False),
        (Goal(-3, of="added"), "added <= -3", True),
        (Goal(-4, of="added"), "added <= -4", False),
    ],
)
def test_a_goal_is_on_the_ratio_or_on_our_own_figure_or_on_what_is_added(goal: Goal, words: str, met: bool) -> None:
    result = Result(Row("row", "s", goal), Sample(3), Sample(6), 0.5)
    assert (str(goal), result.met) == (words, met)


def test_a_row_without_a_goal_or_a_baseline_is_neither_met_nor_missed() -> None:
    assert Result(Row("row", "s"), Sample(3), Sample(6), 0.5).met is None
    assert Result(Row("row", "ms", Goal(5, of="added")), Sample(3)).met is None


def test_results_are_written_as_lines_as_json_and_as_a_plot(tmp_path: Path) -> None:
    results = [
        Result(Row("convert-ten-minutes", "s", Goal(0.65)), Sample(2.5, 90), Sample(5, 40), 0.5),
        Result(Row("connector-latency", "ms", Goal(5, of="added")), Sample(3)),
    ]
    assert "convert-ten-minutes" in line_of(results[0])
    assert line_of(results[0]).endswith("yes")
    written = json.loads(write_json(results, tmp_path).read_text())
    assert written[0] == {
        "row": "convert-ten-minutes",
        "ours": 2.5,
        "baseline": 5,
        "ratio": 0.5,
        "unit": "s",
        "peak_rss_mb": 90,
        "baseline_peak_rss_mb": 40,
        "goal": "ratio <= 0.65",
        "met": True,
    }
    assert written[1]["baseline"] is written[1]["met"] is None
    plot = write_plot(results, tmp_path)
    assert plot is not None
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_every_goal_has_its_row() -> None:
    assert {
        "convert-ten-minutes",
        "throughput",
        "upload-raw",
        "upload-multipart",
        "download",
        "validate",
    } <= ROWS.keys()
