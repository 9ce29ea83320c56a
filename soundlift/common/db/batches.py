"""Deletion of many rows in transactions of bounded size."""

from __future__ import annotations

from collections.abc import Callable

MAX_BATCHES = 50


def delete_in_batches(delete: Callable[[], int], *, size: int) -> int:
    """Call a function that deletes at most `size` rows, until it finds no more of them, and return how many it deleted.

    Strangers can add rows faster than one batch a minute. It is called at most MAX_BATCHES times, so that cleanup ends.
    """
    deleted = 0
    for _ in range(MAX_BATCHES):
        batch = delete()
        deleted += batch
        if batch < size:
            break
    return deleted
