"""Talks to the person who started Soundlift."""

from __future__ import annotations

from contextlib import suppress


def say(text: str) -> None:
    """Print for a person; that nobody listens any more stops no work."""
    with suppress(OSError):
        print(text, flush=True)
