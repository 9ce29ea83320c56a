"""Checks of the broker: reachable, with the queues that the functions need, consumers, and no dead letters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from soundlift.cli.doctor.finding import Check, Finding, failed, ok, warning
from soundlift.common.broker import SINKS, QueueCount
from soundlift.common.broker.routes import all_queues, queues_by_topic
from soundlift.common.services import Services

PART = "broker"


def check_broker(services: Services) -> Iterator[Finding]:
    """Yield one finding for the connection, and one for each property of the queues."""
    scheme, _, place = services.settings.broker_url.partition("://")
    if scheme in SINKS:
        services.publisher.check()
        yield ok(PART, f"the sink answers; its queues belong to the platform ({scheme})")
        return
    counts = services.broker.counts()
    missing = sorted(set(all_queues(queues_by_topic(services.settings))) - {count.queue for count in counts})
    services.broker.verify()
    yield ok(PART, f"{_name(scheme, place)} accepts messages; the queues have the expected properties")
    if missing:
        advice = "nothing, before the first start; otherwise check VIDEO_QUEUE and MP3_QUEUE: names must not change"
        yield warning("queues", f"{', '.join(missing)} did not exist yet, and {_was(missing)} created", advice)
    yield from _check_queues([count for count in counts if count.dead is not None])


CHECK = Check(PART, "check BROKER_URL, and that the broker runs and can be reached from here", check_broker)


def _was(names: Sequence[str]) -> str:
    return "was" if len(names) == 1 else "were"


def _name(scheme: str, place: str) -> str:
    if scheme == "sqlite":
        return f"the file {place[1:]}"
    return f"RabbitMQ at {place.rpartition('@')[2]}" if "," not in place else "RabbitMQ"


def _check_queues(counts: Sequence[QueueCount]) -> Iterator[Finding]:
    idle = [count.queue for count in counts if count.consumers == 0]
    if idle:
        yield failed("consumers", f"nothing consumes {', '.join(idle)}", "start the connector, and check its log")
    waiting = ", ".join(f"{count.queue}: {count.waiting} waiting" for count in counts)
    if waiting:
        yield ok("queues", waiting)
    dead = [f"{count.queue}: {count.dead}" for count in counts if count.dead]
    if dead:
        advice = "see `soundlift dead list`, then replay or drop them"
        yield warning("dead letters", ", ".join(dead), advice)
