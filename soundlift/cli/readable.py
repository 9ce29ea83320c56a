"""Lengths and counts as people read them; lengths in the same form as on the page."""

from __future__ import annotations


def count_text(count: int, noun: str) -> str:
    """Return a count with its noun, such as 1 file or 1,200 files."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def length_text(seconds: float) -> str:
    """Return a length, rounded down to seconds: 0:05, 3:07 or 1:02:09."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
