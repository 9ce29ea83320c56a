"""Is one kind of broker under test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from soundlift.common.broker import Broker
from soundlift.common.events import CONVERSION_FAILED, MP3_READY, VIDEO_UPLOADED

ROUTES = {VIDEO_UPLOADED: "video", MP3_READY: "mp3", CONVERSION_FAILED: "mp3"}


@dataclass(frozen=True)
class Maker:
    """Makes connections to one broker, each as a process of its own would have it.

    What a killed connection had goes to another after `lease_seconds` at most. A living one made by `connect` loses
    it, too, when it stalls for that long, as any process may on a busy machine; one made by `connect_undisturbed`
    keeps it however long the machine stalls.
    """

    connect: Callable[[], Broker]
    connect_undisturbed: Callable[[], Broker]
    kill: Callable[[Broker], None]
    lease_seconds: float
