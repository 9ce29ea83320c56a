"""Messages for the person at the terminal."""

from __future__ import annotations

from contextlib import suppress


def print_message(text: str) -> None:
    """Print a message and flush it; a closed terminal is ignored, so that Soundlift keeps running."""
    with suppress(OSError):
        print(text, flush=True)
