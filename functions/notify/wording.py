"""Lengths, periods and moments in the words of a mail."""

from __future__ import annotations

from datetime import UTC, datetime

from soundlift.common.jobs.model import MAX_DATE

MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December")  # fmt: skip
MINUTE, HOUR, DAY = 60, 3600, 24 * 3600


def readable_length(seconds: float) -> str:
    """Return a length: 5 s, 3:07 min or 1:02:03 h."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{rest:02} h"
    return f"{minutes}:{rest:02} min" if minutes else f"{rest} s"


def readable_period(seconds: float) -> str:
    """Return a period, rounded down: 10 minutes, 24 hours or 7 days."""
    seconds = round(seconds)
    for unit, name in ((DAY, "days"), (HOUR, "hours"), (MINUTE, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds // unit} {name}"
    return "1 minute"


def moment_text(moment: float) -> str:
    """Return a moment, given in seconds since 1970, in universal time: 4 December 2026, 18:50 UTC."""
    time = datetime.fromtimestamp(min(moment, MAX_DATE), UTC)
    return f"{time.day} {MONTHS[time.month - 1]} {time.year}, {time:%H:%M} UTC"
