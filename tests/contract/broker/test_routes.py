"""The settings decide which queues there are, and which of them an event goes to."""

from __future__ import annotations

import pytest

from soundlift.common.broker.routes import all_queues, queues_by_event_type, queues_by_topic
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


def settings(**environ: str) -> Settings:
    return Settings.from_environment(environ)


def test_each_topic_has_one_queue_unless_there_are_extra_subscribers() -> None:
    expected = {"import": {"import"}, "video": {"video"}, "mp3": {"mp3", "webhook"}}
    assert queues_by_topic(settings()) == expected
    assert queues_by_event_type(settings()) == {
        IMPORT_REQUESTED: {"import"},
        VIDEO_UPLOADED: {"video"},
        MP3_READY: {"mp3", "webhook"},
        CONVERSION_FAILED: {"mp3", "webhook"},
        LINK_REQUESTED: {"mp3"},
        WEBHOOK_FAILING: {"mp3"},
        DELIVERY_DUE: {"webhook"},
    }


def test_an_extra_subscriber_has_a_queue_with_its_name_for_the_events_of_jobs() -> None:
    named = settings(
        VIDEO_QUEUE="films", MP3_QUEUE="songs", EXTRA_SUBSCRIBERS="songs=audit, songs=web-hook,films=audit"
    )
    outcomes = {"songs", "audit", "web-hook", "webhook"}
    routes = queues_by_event_type(named)
    assert routes == {
        IMPORT_REQUESTED: {"import"},
        VIDEO_UPLOADED: {"films", "audit"},
        MP3_READY: outcomes,
        CONVERSION_FAILED: outcomes,
        LINK_REQUESTED: {"songs"},
        WEBHOOK_FAILING: {"songs"},
        DELIVERY_DUE: {"webhook"},
    }
    assert all_queues(routes) == ["audit", "films", "import", "songs", "web-hook", "webhook"]


@pytest.mark.parametrize(
    ("extra", "detail"),
    [
        ("mp4=audit", "mp4 is not a topic; the topics are import, mp3, video."),
        ("mp3=audit,video=mp3", "mp3 is a topic; a function with a separate queue needs another name."),
    ],
)
def test_an_extra_subscriber_of_no_topic_or_with_a_taken_name_is_a_clear_error(extra: str, detail: str) -> None:
    for read in (queues_by_topic, queues_by_event_type):
        with pytest.raises(SettingError) as refused:
            read(settings(EXTRA_SUBSCRIBERS=extra))
        assert refused.value.detail == f"Setting EXTRA_SUBSCRIBERS: {detail}"
        assert refused.value.evidence == {"setting": "EXTRA_SUBSCRIBERS"}


@pytest.mark.parametrize(
    "extra", ["audit", "mp3=", "=audit", "mp3=Audit", "mp3=audit.dead", "mp3=-a", "mp3=a-", "mp3=a,", "mp3=a=b"]
)
def test_a_malformed_list_of_extra_subscribers_is_a_clear_error(extra: str) -> None:
    with pytest.raises(SettingError, match=r"EXTRA_SUBSCRIBERS: .* must be TOPIC=FUNCTION"):
        settings(EXTRA_SUBSCRIBERS=extra)
