"""A broker under test, and the routes of its events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from soundlift.common.broker import Broker
from soundlift.common.events import CONVERSION_FAILED, DELIVERY_DUE, IMPORT_REQUESTED, MP3_READY, VIDEO_UPLOADED

ROUTES = {VIDEO_UPLOADED: {"video"}, MP3_READY: {"mp3"}, CONVERSION_FAILED: {"mp3"}}
# With a second function, audit, subscribed to the topic mp3.
FAN_OUT_ROUTES = {VIDEO_UPLOADED: {"video"}, MP3_READY: {"mp3", "audit"}, CONVERSION_FAILED: {"mp3", "audit"}}
# All queues that tests may declare, also by processes with the settings' own routes.
ALL_ROUTES = {**FAN_OUT_ROUTES, DELIVERY_DUE: {"webhook"}, IMPORT_REQUESTED: {"import"}}


@dataclass(frozen=True)
class BrokerFactory:
    """A source of connections to one broker, each like that of a separate process.

    `connect` takes the routes, by default ROUTES. The unsettled messages of a killed connection are redelivered after
    at most `lease_seconds`. So are those of a live connection that stalls for that long, as may happen on a busy
    machine, unless `connect_undisturbed` returned it.
    """

    connect: Callable[..., Broker]
    connect_undisturbed: Callable[[], Broker]
    kill: Callable[[Broker], None]
    lease_seconds: float
