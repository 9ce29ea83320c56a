"""Reports results as a table, as JSON, and as a plot of the ratios."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from bench.harness.comparison import Result

BUILD = Path("build")
HEADER = f"{'row':<27}{'ours':>10}{'baseline':>10}  {'unit':<11}{'ratio':>6}  {'peak RSS, MB':<14}{'goal':<14}met"


def table_row(result: Result) -> str:
    """Return a result as a row of the table; the memory is ours / the baseline's."""
    baseline = _figure(result.baseline.value if result.baseline else None)
    peaks = [result.ours.peak_mb, result.baseline and result.baseline.peak_mb]
    memory = " / ".join("–" if peak is None else f"{peak:.0f}" for peak in peaks)
    ratio = "–" if result.ratio is None else f"{result.ratio:.2f}"
    met = {True: "yes", False: "NO", None: "–"}[result.met]
    goal = str(result.row.goal or "–")
    row = f"{result.row.name:<27}{_figure(result.ours.value):>10}{baseline:>10}  {result.row.unit:<11}"
    return f"{row}{ratio:>6}  {memory:<14}{goal:<14}{met}"


def write_json(results: Sequence[Result], folder: Path = BUILD) -> Path:
    """Write all results to a file and return its path."""
    folder.mkdir(exist_ok=True)
    file = folder / "bench.json"
    file.write_text(json.dumps([result.as_record() for result in results], indent=1) + "\n")
    return file


def write_plot(results: Sequence[Result], folder: Path = BUILD) -> Path | None:
    """Draw the ratio of each row that has one, with its goal, and return the file's path."""
    from matplotlib.figure import Figure

    drawn = [result for result in results if result.ratio is not None][::-1]
    if not drawn:
        return None
    figure = Figure(figsize=(9, 1 + 0.35 * len(drawn)), layout="constrained")
    axes = figure.subplots()
    colours = {True: "tab:green", False: "tab:red", None: "tab:gray"}
    names, ratios = [result.row.name for result in drawn], [result.ratio or 0 for result in drawn]
    axes.barh(names, ratios, color=[colours[result.met] for result in drawn])
    goals = [
        (position, goal.bound)
        for position, result in enumerate(drawn)
        if (goal := result.row.goal) and goal.of == "ratio"
    ]
    axes.plot(
        [bound for _, bound in goals],
        [position for position, _ in goals],
        "k|",
        markersize=14,
        label="goal of the ratio",
    )
    axes.axvline(1, color="black", linewidth=0.5)
    axes.set_xlabel("ours / baseline (seconds: less is better; per second: more is better)")
    axes.legend(loc="best")
    file = folder / "bench.png"
    figure.savefig(file, dpi=120)
    return file


def _figure(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"
