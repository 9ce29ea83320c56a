"""Is one kind of media store under test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from soundlift.common.media import MediaStore, open_media


@dataclass(frozen=True)
class Medium:
    """Is a store's address, how it goes away and comes back, and how large a file it takes in a test's time.

    By `patient_url` the same store has long enough for that file.
    `break_connections` ends those there are; a folder has none. `hang` lets the store take everything and answer
    nothing, until it comes back; a folder can only go away.
    """

    url: str
    go_away: Callable[[], None]
    come_back: Callable[[], None]
    break_connections: Callable[[], None]
    hang: Callable[[], None]
    largest_file: int
    patient_url: str

    def open(self, bucket: str = "videos") -> MediaStore:
        return open_media(self.url, bucket)
