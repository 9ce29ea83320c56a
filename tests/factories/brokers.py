"""One kind of broker under test, and the routes of its events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from soundlift.common.broker import Broker
from soundlift.common.events import CONVERSION_FAILED, MP3_READY, VIDEO_UPLOADED

ROUTES = {VIDEO_UPLOADED: {"video"}, MP3_READY: {"mp3"}, CONVERSION_FAILED: {"mp3"}}
# Where a second function, audit, subscribes to the topic mp3.
FAN_OUT_ROUTES = {VIDEO_UPLOADED: {"video"}, MP3_READY: {"mp3", "audit"}, CONVERSION_FAILED: {"mp3", "audit"}}


@dataclass(frozen=True)
class BrokerFactory:
    """A source of connections to one broker, each as a separate process would have it.

    `connect` takes the routes, which are ROUTES by default. The unsettled messages of a killed connection go to another
    after `lease_seconds` at most. So do those of a living one that stalls for that long, as any process may on a busy
    machine, unless it was made by `connect_undisturbed`.
    """

    connect: Callable[..., Broker]
    connect_undisturbed: Callable[[], Broker]
    kill: Callable[[Broker], None]
    lease_seconds: float
