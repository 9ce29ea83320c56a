"""Is one kind of media store under test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from soundlift.common.media import MediaStore, open_media


@dataclass(frozen=True)
class Medium:
    """Is a store's address, and how its server goes away and comes back."""

    url: str
    go_away: Callable[[], None]
    come_back: Callable[[], None]

    def open(self, bucket: str = "videos") -> MediaStore:
        return open_media(self.url, bucket)
