"""Counts the bytes of files that a process receives from a media store's server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from soundlift.common.settings import Settings


def count_received(settings: Settings, add: Callable[[int], object]) -> None:
    """Call `add` with the size of each piece received; this must be set up before the store is first used."""
    if settings.media_url.startswith("s3:"):
        _count_responses(settings.media_url, add)
    else:
        _count_chunks(add)


def _count_responses(url: str, add: Callable[[int], object]) -> None:
    from soundlift.common.media.s3 import read_address
    from soundlift.common.media.s3.server import client_of

    class Counted:
        def __init__(self, body: Any) -> None:
            self._body = body
            self.close = body.close

        def read(self, size: int | None = None) -> bytes:
            data: bytes = self._body.read(size)
            add(len(data))
            return data

    def count(parsed: dict[str, Any], **_: Any) -> None:
        if "Body" in parsed:
            parsed["Body"] = Counted(parsed["Body"])

    client_of(read_address(url)).meta.events.register("after-call.s3.GetObject", count)


def _count_chunks(add: Callable[[int], object]) -> None:
    from pymongo import monitoring

    class Chunks(monitoring.CommandListener):
        def started(self, event: monitoring.CommandStartedEvent) -> None: ...

        def failed(self, event: monitoring.CommandFailedEvent) -> None: ...

        def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
            cursor = event.reply.get("cursor", {})
            for document in (*cursor.get("firstBatch", ()), *cursor.get("nextBatch", ())):
                add(len(document.get("data", b"")))

    monitoring.register(Chunks())
