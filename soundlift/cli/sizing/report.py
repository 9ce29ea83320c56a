"""An estimate as a table of at most 60 columns, and as a JSON document."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from soundlift.cli.sizing.advice import changes, warnings
from soundlift.cli.sizing.estimate import Estimate
from soundlift.common.audio.output_formats import requested_title
from soundlift.common.sizes import size_text

WIDTH = 60
LABEL = 33
SECONDS_UNITS = (("ms", 1e-3), ("s", 1.0), ("min", 60.0), ("h", 3600.0))
RATE_UNITS = (("a second", 1), ("a minute", 60), ("an hour", 3600))
LEAST = 0.001  # that is shown as a number
FIGURES = (
    *("conversion_seconds", "other_seconds", "slots", "pods", "max_pods", "cores", "memory_bytes"),
    *("connectors", "deliveries", "deliveries_per_connector", "waiting_events", "outage_events"),
    *("uploads", "upload_pods", "moved_bytes", "network_bits", "stored_bytes", "audio_bytes"),
    *("rows", "database_growth", "database_bytes", "transactions", "connections"),
)


def document(estimate: Estimate) -> dict[str, Any]:
    """Return the load, all figures, the settings and the warnings."""
    return {
        "load": asdict(estimate.load),
        "needs": {"peak_per_second": estimate.load.peak_per_second}
        | {name: getattr(estimate, name) for name in FIGURES},
        "settings": [asdict(change) for change in changes(estimate)],
        "warnings": warnings(estimate),
    }


def lines(estimate: Estimate) -> Iterator[str]:
    """Yield the table."""
    load = estimate.load
    title = requested_title(load.audio_format)
    each = f"{_number(load.minutes)} min, {_size(load.megabytes * 1e6)}, {title}"
    yield from _wrapped(f"{load.videos_per_day:,} videos a day ({each}), {_number(load.peak_factor)} × at the peak")
    for heading, rows in _sections(estimate):
        yield ""
        yield heading
        yield from (f"  {label:<{LABEL - 2}}{value}" for label, value in rows)
    yield ""
    yield "Settings to change"
    needed = changes(estimate)
    for change in needed:
        yield f"  {change.name} = {change.value}"
        yield f"    {change.where}"
    if not needed:
        yield "  The defaults are enough."
    for warning in warnings(estimate):
        yield ""
        yield from _wrapped(warning)


def _sections(estimate: Estimate) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    load = estimate.load
    yield (
        "Convert",
        [
            ("videos at the peak", _rate(load.peak_per_second)),
            ("processor time of one", _seconds(estimate.conversion_seconds)),
            ("slots", f"{estimate.slots:,}"),
            (f"pods of {load.slots_per_pod} cores", f"{estimate.pods:,}"),
        ],
    )
    yield (
        "All functions and servers",
        [
            ("cores in use at the peak", _number(estimate.cores)),
            ("memory requested by pods", _size(estimate.memory_bytes)),
            ("uploads in progress", _number(estimate.uploads)),
            ("pods of upload", f"{estimate.upload_pods:,}"),
        ],
    )
    yield (
        "Queue",
        [
            ("connectors", f"{estimate.connectors:,}"),
            ("concurrent deliveries of each", f"{estimate.deliveries_per_connector:,}"),
            ("events that wait at the peak", _number(estimate.waiting_events)),
            (f"after {_number(load.outage_minutes)} min without convert", f"{estimate.outage_events:,}"),
        ],
    )
    yield (
        "Network and media store",
        [
            ("moved for each video", _size(estimate.moved_bytes)),
            ("at the peak", f"{_size(estimate.network_bits / 8)}/s"),
            ("one audio file", _size(estimate.audio_bytes)),
            (f"stored, {_number(load.retention_days)} days", _size(estimate.stored_bytes)),
        ],
    )
    yield (
        "Database",
        [
            ("jobs", f"{estimate.rows:,.0f}"),
            ("grows in a day by", _size(estimate.database_growth)),
            ("size", _size(estimate.database_bytes)),
            ("transactions that write", f"{_number(estimate.transactions)}/s"),
            ("connections", f"{estimate.connections:,}"),
        ],
    )


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, break_on_hyphens=False)


def _rate(per_second: float) -> str:
    unit, factor = next((unit for unit in RATE_UNITS if per_second * unit[1] >= 1), RATE_UNITS[-1])
    return f"{_number(per_second * factor)} {unit}"


def _seconds(seconds: float) -> str:
    unit, factor = next((unit for unit in SECONDS_UNITS[::-1] if seconds >= unit[1]), SECONDS_UNITS[0])
    return f"{_number(seconds / factor)} {unit}"


def _size(size: float) -> str:
    """Return a size; the largest are in PB, which files never have."""
    return f"{size / 1e15:,.1f} PB" if size >= 1e15 else size_text(round(size))


def _number(number: float) -> str:
    """Return a number with about three digits, and with separators."""
    if 0 < number < LEAST:
        return f"< {LEAST}"
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
