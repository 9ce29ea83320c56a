"""The queues that receive each event, one for each function that subscribes to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from soundlift.common.errors import SettingError
from soundlift.common.events import (
    CONVERSION_FAILED,
    DELIVERY_DUE,
    IMPORT_REQUESTED,
    LINK_REQUESTED,
    MP3_READY,
    VIDEO_UPLOADED,
    WEBHOOK_FAILING,
)
from soundlift.common.settings import Settings

Routes = Mapping[str, Collection[str]]
WEBHOOK_QUEUE = "webhook"  # of the function webhook, the second subscriber of finished and failed jobs


def queues_by_topic(settings: Settings) -> dict[str, frozenset[str]]:
    """Return the queues of each topic: one with the topic's own name, and one named after each further subscriber.

    Raises SettingError if EXTRA_SUBSCRIBERS names a topic that does not exist, or a function with a topic's name.
    """
    topics = {name: {name} for name in (settings.import_queue, settings.mp3_queue, settings.video_queue)}
    topics[settings.mp3_queue].add(WEBHOOK_QUEUE)
    known = ", ".join(sorted(topics))
    for topic, function in settings.extra_subscribers:
        if topic not in topics:
            raise _error(f"{topic} is not a topic; the topics are {known}.")
        if function in topics:
            raise _error(f"{function} is a topic; a function with a separate queue needs another name.")
        topics[topic].add(function)
    return {topic: frozenset(queues) for topic, queues in topics.items()}


def queues_by_event_type(settings: Settings) -> dict[str, frozenset[str]]:
    """Return the queues of each event type; raises SettingError as `queues_by_topic` does.

    Extra subscribers of a topic receive the events of jobs only.
    """
    topics = queues_by_topic(settings)
    return {
        IMPORT_REQUESTED: topics[settings.import_queue],
        VIDEO_UPLOADED: topics[settings.video_queue],
        MP3_READY: topics[settings.mp3_queue],
        CONVERSION_FAILED: topics[settings.mp3_queue],
        LINK_REQUESTED: frozenset({settings.mp3_queue}),
        WEBHOOK_FAILING: frozenset({settings.mp3_queue}),
        DELIVERY_DUE: frozenset({WEBHOOK_QUEUE}),
    }


def all_queues(routes: Routes) -> list[str]:
    """Return the queues of all event types or topics, sorted."""
    return sorted({queue for queues in routes.values() for queue in queues})


def _error(detail: str) -> SettingError:
    return SettingError(f"Setting EXTRA_SUBSCRIBERS: {detail}", setting="EXTRA_SUBSCRIBERS")
