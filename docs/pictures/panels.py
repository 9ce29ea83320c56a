"""Draws the panels of a Grafana dashboard with matplotlib: those of the types row, stat and timeseries."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

COLUMNS = 24
INCHES_PER_ROW, WIDTH = 0.38, 18.0
MARGIN_LEFT, MARGIN_RIGHT, MARGIN_BELOW, MARGIN_ABOVE = 1.1, 0.3, 0.8, 0.8  # in the units of the grid
HEADROOM = 1.25  # for the legend
COLOURS = {"green": "#2e7d4f", "orange": "#c77c11", "red": "#b3261e"}
LINES = ["#2f6db5", "#d9822b", "#3d9970", "#b5446e", "#7d5ba6", "#8c8c2b", "#4aa3a2", "#8a5a44", "#5f6b7a"]


@dataclass(frozen=True)
class Series:
    """The values of one series of a panel at times in seconds since 1970."""

    name: str
    times: Sequence[float]
    values: Sequence[float]


Read = Callable[[Mapping[str, Any]], list[Series]]


def draw(dashboard: Mapping[str, Any], read: Read, file: Path, *, began: float, ended: float) -> None:
    """Draw all panels of a dashboard between two times into a file; `read` returns the series of a panel."""
    panels = dashboard["panels"]
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    figure = Figure(figsize=(WIDTH, rows * INCHES_PER_ROW), facecolor="#f4f5f5")
    for panel in panels:
        axes = figure.add_axes(_rectangle(panel["gridPos"], rows))
        match panel["type"]:
            case "row":
                axes.axis("off")
                axes.text(0, 0.2, panel["title"], fontsize=13, fontweight="bold", transform=axes.transAxes)
            case "stat":
                _draw_number(axes, panel, read(panel))
            case "timeseries":
                _draw_lines(axes, panel, read(panel))
                axes.set_xlim(datetime.fromtimestamp(began), datetime.fromtimestamp(ended))
    figure.savefig(file, dpi=72)


def _rectangle(place: Mapping[str, int], rows: int) -> tuple[float, float, float, float]:
    """Return the left, bottom, width and height of a panel within the figure, without its title and labels."""
    left, below, above = (MARGIN_LEFT, MARGIN_BELOW, MARGIN_ABOVE) if place["h"] > 1 else (0.2, 0.0, 0.0)
    return (
        (place["x"] + left) / COLUMNS,
        (rows - place["y"] - place["h"] + below) / rows,
        (place["w"] - left - MARGIN_RIGHT) / COLUMNS,
        (place["h"] - below - above) / rows,
    )


def legend(template: str, labels: Mapping[str, str]) -> str:
    """Return the name of a series: a template in which {{label}} stands for the value of a label."""
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), template)


def _draw_number(axes: Axes, panel: Mapping[str, Any], series: Sequence[Series]) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    value = series[0].values[-1] if series else None
    steps = defaults["thresholds"]["steps"]
    reached = [
        step["color"] for step in steps if value is not None and (step["value"] is None or value >= step["value"])
    ]
    axes.set_facecolor(COLOURS[reached[-1]] if reached else "#777777")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(panel["title"], fontsize=10, loc="left")
    text = "No data" if value is None else _text(value, defaults["unit"])
    axes.text(0.5, 0.45, text, fontsize=22, color="white", ha="center", va="center", transform=axes.transAxes)


def _draw_lines(axes: Axes, panel: Mapping[str, Any], series: Sequence[Series]) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    axes.set_title(panel["title"], fontsize=10, loc="left")
    axes.set_facecolor("white")
    axes.grid(color="#e3e3e3", linewidth=0.6)
    axes.tick_params(labelsize=8)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _text(value, defaults["unit"])))
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M"))
    if not series:
        axes.text(0.5, 0.5, "No data", ha="center", transform=axes.transAxes)
        return
    base: dict[float, float] = {}
    for number, one in enumerate(sorted(series, key=lambda found: found.name)):
        colour = LINES[number % len(LINES)]
        moments = [datetime.fromtimestamp(time) for time in one.times]
        if "stacking" in defaults["custom"]:
            lower = [base.get(time, 0.0) for time in one.times]
            upper = [low + value for low, value in zip(lower, one.values, strict=True)]
            axes.fill_between(moments, lower, upper, color=colour, alpha=0.45, linewidth=0, label=one.name)
            axes.plot(moments, upper, color=colour, linewidth=1)
            base |= dict(zip(one.times, upper, strict=True))
        else:
            axes.plot(moments, one.values, color=colour, linewidth=1.4, label=one.name)
    highest = max([*base.values(), *(value for one in series for value in one.values)])
    axes.set_ylim(defaults["min"], highest * HEADROOM or 1)
    columns = 2 if len(series) > 4 else max(1, len(series))
    axes.legend(fontsize=7, ncols=columns, loc="upper left", framealpha=0.7)


def _text(value: float, unit: str) -> str:
    """Return a value with its unit, as short as in Grafana."""
    match unit:
        case "s":
            return (
                f"{value / 60:.3g} min"
                if value >= 120
                else f"{value * 1000:.3g} ms"
                if 0 < value < 1
                else f"{value:.3g} s"
            )
        case "percentunit":
            return f"{value * 100:.3g} %"
        case "bytes" | "Bps":
            name = next(name for size, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (0, "B")) if value >= size)
            number = value / {"GB": 1e9, "MB": 1e6, "kB": 1e3, "B": 1}[name]
            return f"{number:.3g} {name}{'/s' if unit == 'Bps' else ''}"
        case "ops" | "reqps":
            return f"{value:.3g} /s"
        case _:
            return f"{value:.4g}"
