"""Comparisons alternate between both sides, and each goal is reported as met or not."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import pytest

from bench.harness.comparison import Goal, Result, Row, Sample, compare
from bench.harness.report import table_row, write_json, write_plot
from bench.rows import ROWS


def test_rounds_alternate_after_a_warm_up() -> None:
    calls: list[str] = []
    figures = count(1)

    def ours() -> Sample:
        calls.append("A")
        return Sample(next(figures), 10)

    def baseline() -> Sample:
        calls.append("B")
        return Sample(2, 30)

    result = compare(Row("row", "s", rounds=3), ours, baseline)
    assert "".join(calls) == "ABBAABBA"
    assert (result.ours.value, result.ours.peak_mb) == (3, 10)
    assert (result.baseline, result.ratio) == (Sample(2, 30), 1.5)


def test_the_ratio_is_the_median_of_the_rounds_ratios() -> None:
    mine, theirs = iter((10.0, 3.0, 1.0)), iter((20.0, 1.0, 1.0))
    result = compare(Row("row", "s", rounds=3, warm_up=0), lambda: Sample(next(mine)), lambda: Sample(next(theirs)))
    assert result.ratio == 1.0
    assert (result.ours.value, result.baseline) == (3.0, Sample(1.0))


@pytest.mark.parametrize(
    ("goal", "text", "met"),
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
def test_a_goal_bounds_the_ratio_our_figure_or_the_difference(goal: Goal, text: str, met: bool) -> None:
    result = Result(Row("row", "s", goal), Sample(3), Sample(6), 0.5)
    assert (str(goal), result.met) == (text, met)


def test_a_row_without_a_goal_or_a_baseline_is_neither_met_nor_missed() -> None:
    assert Result(Row("row", "s"), Sample(3), Sample(6), 0.5).met is None
    assert Result(Row("row", "ms", Goal(5, of="added")), Sample(3)).met is None


def test_results_are_written_as_table_rows_json_and_a_plot(tmp_path: Path) -> None:
    results = [
        Result(Row("convert-ten-minutes", "s", Goal(0.65)), Sample(2.5, 90), Sample(5, 40), 0.5),
        Result(Row("connector-latency", "ms", Goal(5, of="added")), Sample(3)),
    ]
    assert "convert-ten-minutes" in table_row(results[0])
    assert table_row(results[0]).endswith("yes")
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


def test_the_rows_with_project_goals_exist() -> None:
    assert {
        "convert-ten-minutes",
        "throughput",
        "upload-raw",
        "upload-multipart",
        "download",
        "validate",
    } <= ROWS.keys()
