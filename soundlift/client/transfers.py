"""What uploads and downloads have in common."""

from __future__ import annotations

from collections.abc import Callable

BLOCK = 256 * 1024

Progress = Callable[[int, int | None], None]
"""A callback that gets the number of bytes transferred, and the total number if it is known."""
