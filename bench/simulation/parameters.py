"""What a simulated deployment consists of, and how long its steps take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Times:
    """The durations that a real run has measured, in seconds.

    `conversions` are those of single conversions, from the claim to the outcome, of which one is drawn at random.
    `delivery` is what a delivery takes besides: the connector, HTTP, and the worker's own work. The others are the time
    of the database for one video: for its upload, for its conversion, for its notification, and for each choice of
    jobs and each attempt to claim one.
    """

    conversions: tuple[float, ...]
    delivery: float
    upload: float
    convert: float
    notify: float
    choose: float
    claim: float
    heartbeat: float
    mail: float


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The numbers of a deployment, and the videos that it gets.

    `videos` are uploaded with `per_second`, or have all been uploaded at the start if it is None. `choice` is how a
    worker goes on after it has lost a race: the next job in turn, or a random one as functions/convert/choice.py does.
    """

    replicas: int
    videos: int
    slots: int = 2
    deliveries: int | None = None  # as many as slots by default
    per_second: float | None = None
    users: int = 100
    database_cores: int = 2
    mail_deliveries: int = 10
    choice: Literal["in turn", "random"] = "random"
    events_lost: float = 0.0  # the part of the events that are lost, and replaced by cleanup
    conversion_factor: float = 1.0  # by which conversions take longer than in the real run
