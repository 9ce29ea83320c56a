"""The gateway's list of functions decides which function takes which queue, and is remembered during failures."""

from __future__ import annotations

import socket
from dataclasses import replace
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from devservers.waiting import DEADLINE_SECONDS
from soundlift.common.auth.gateway_login import login_headers
from soundlift.common.errors import SettingError
from soundlift.common.process.shutdown import Shutdown
from soundlift.common.settings import Settings
from soundlift.connector import discovery
from soundlift.connector.discovery import FIRST_REFRESH_SECONDS, REFRESH_SECONDS, Discovery
from soundlift.connector.subscriptions import Subscriber, fixed_subscriptions
from tests.connector.conftest import TOPICS
from tests.connector.gateway import Gateway, empty


@pytest.fixture
def subscriptions(gateway: Gateway) -> Discovery:
    gateway.deploy("convert", "video", empty)
    gateway.deploy("notify", "mp3", empty)
    return Discovery(gateway.url, TOPICS)


def names(subscriptions: Discovery) -> dict[str, str]:
    return {queue: subscriber.name for queue, subscriber in subscriptions.subscribers.items()}


def test_there_are_no_subscribers_before_the_gateway_has_answered(subscriptions: Discovery) -> None:
    assert names(subscriptions) == {}


def test_the_subscriber_of_a_queue_is_the_function_whose_annotation_names_its_topic(
    subscriptions: Discovery, gateway: Gateway
) -> None:
    subscriptions.refresh()
    assert subscriptions.subscribers == {
        "video": Subscriber("convert", f"{gateway.url}/function/convert"),
        "mp3": Subscriber("notify", f"{gateway.url}/function/notify"),
    }


def test_a_function_may_subscribe_to_several_topics_and_unknown_ones_are_ignored(
    subscriptions: Discovery, gateway: Gateway
) -> None:
    gateway.listing = [
        {"name": "both", "annotations": {"topic": "mp3, video ,cron-function,video"}},
        {"name": "plain", "annotations": None},
        {"name": "bare"},
        {"name": "other", "annotations": {"schedule": "* * * * *"}},
    ]
    subscriptions.refresh()
    assert names(subscriptions) == {"video": "both", "mp3": "both"}


def test_of_several_functions_for_one_queue_the_first_by_name_is_chosen_and_logged_once(
    subscriptions: Discovery, gateway: Gateway
) -> None:
    gateway.deploy("another", "video", empty)
    with capture_logs() as logs:
        subscriptions.refresh()
        subscriptions.refresh()
    assert names(subscriptions)["video"] == "another"
    warnings = [line for line in logs if line["log_level"] == "warning"]
    assert [(line["queue"], line["functions"], line["chosen"]) for line in warnings] == [
        ("video", ["another", "convert"], "another")
    ]
    assert "EXTRA_SUBSCRIBERS" in warnings[0]["detail"]


def test_several_functions_may_subscribe_to_one_topic_each_with_its_own_queue(gateway: Gateway) -> None:
    gateway.deploy("audit", "video, mp3", empty)
    gateway.deploy("convert", "video", empty)
    gateway.deploy("notify", "mp3", empty)
    gateway.deploy("web-hook", "mp3", empty)
    gateway.deploy("video-log", "video", empty)
    topics = {"video": {"video", "audit", "video-log"}, "mp3": {"mp3", "audit", "web-hook"}}
    subscriptions = Discovery(gateway.url, topics)
    with capture_logs() as logs:
        subscriptions.refresh()
    own = {name: name for name in ("audit", "web-hook", "video-log")}
    assert names(subscriptions) == {"video": "convert", "mp3": "notify", **own}
    assert subscriptions.max_queues == 5
    assert [line["log_level"] for line in logs] == ["info"]


def test_a_function_has_no_queue_of_a_topic_that_it_does_not_subscribe_to(gateway: Gateway) -> None:
    gateway.deploy("audit", "video", empty)
    subscriptions = Discovery(gateway.url, {"video": {"video"}, "mp3": {"mp3", "audit"}})
    subscriptions.refresh()
    assert names(subscriptions) == {"video": "audit"}


def test_the_subscriptions_stay_until_an_unreachable_gateway_is_back(
    subscriptions: Discovery, gateway: Gateway
) -> None:
    subscriptions.refresh()
    gateway.stop()
    with capture_logs() as logs:
        subscriptions.refresh()
        subscriptions.refresh()
    assert names(subscriptions) == {"video": "convert", "mp3": "notify"}
    assert [line["log_level"] for line in logs] == ["warning"]
    gateway.listing = gateway.listing[:1]
    gateway.start()
    subscriptions.refresh()
    assert names(subscriptions) == {"video": "convert"}


@pytest.mark.parametrize(
    ("status", "listing"),
    [
        (401, []),
        (302, []),
        (500, []),
        (200, {"error": "no"}),
        (200, {}),
        (200, None),
        (200, 7),
        (200, ["convert"]),
        (200, [{"annotations": {"topic": "video"}}]),
        (200, [{"name": "convert", "annotations": {"topic": 7}}]),
    ],
)
def test_the_subscriptions_stay_if_the_gateway_does_not_return_a_list(
    subscriptions: Discovery, gateway: Gateway, status: int, listing: Any
) -> None:
    subscriptions.refresh()
    gateway.listing_status, gateway.listing = status, listing
    subscriptions.refresh()
    assert names(subscriptions) == {"video": "convert", "mp3": "notify"}


def test_a_request_to_a_gateway_that_never_answers_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "TIMEOUT_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as hanging, capture_logs() as logs:
        subscriptions = Discovery(f"http://127.0.0.1:{hanging.getsockname()[1]}", {"video": {"video"}})
        refresh = Thread(target=subscriptions.refresh, daemon=True)
        refresh.start()
        refresh.join(DEADLINE_SECONDS)
        assert not refresh.is_alive()
    assert "timed out" in logs[0]["detail"]
    assert not subscriptions.known


def test_a_gateway_that_has_never_answered_is_asked_again_sooner(
    subscriptions: Discovery, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutdown, slept = Shutdown(), []

    def sleep(seconds: float) -> None:
        slept.append((subscriptions.known, seconds))
        gateway.listing_status = 200
        if len(slept) == 2:
            shutdown.begin()

    monkeypatch.setattr(discovery, "time", SimpleNamespace(sleep=sleep))
    gateway.listing_status = 503
    subscriptions.follow(shutdown)
    assert slept == [(False, FIRST_REFRESH_SECONDS), (True, REFRESH_SECONDS)]
    assert FIRST_REFRESH_SECONDS < REFRESH_SECONDS


def test_an_empty_list_is_a_valid_response(subscriptions: Discovery, gateway: Gateway) -> None:
    subscriptions.refresh()
    gateway.listing = []
    subscriptions.refresh()
    assert names(subscriptions) == {}


USER = ("admin", "pässword: of the gateway")
BOTH = Settings(basic_auth_user=USER[0], basic_auth_password=USER[1])


def test_the_login_is_sent_to_a_gateway_that_requires_one(gateway: Gateway) -> None:
    gateway.deploy("convert", "video", empty)
    gateway.user = USER
    subscriptions = Discovery(gateway.url, {"video": {"video"}}, login_headers(BOTH))
    subscriptions.refresh()
    assert names(subscriptions) == {"video": "convert"}


@pytest.mark.parametrize("settings", [Settings(), replace(BOTH, basic_auth_password="an old password")])
def test_a_refused_login_is_logged_once_with_the_settings_and_without_the_secret(
    gateway: Gateway, settings: Settings
) -> None:
    gateway.user = USER
    subscriptions = Discovery(gateway.url, {"video": {"video"}}, login_headers(settings))
    with capture_logs() as logs:
        for _ in range(3):
            subscriptions.refresh()
    [line] = logs
    assert line["log_level"] == "warning"
    assert "401" in line["detail"]
    assert "BASIC_AUTH_USER and BASIC_AUTH_PASSWORD" in line["detail"]
    assert "old password" not in str(line)
    assert not subscriptions.known


def test_each_kind_of_failure_is_logged_once(subscriptions: Discovery, gateway: Gateway) -> None:
    with capture_logs() as logs:
        for status in (503, 503, 401, 401, 503):
            gateway.listing_status = status
            subscriptions.refresh()
    assert [line["detail"].split()[2].strip(":") for line in logs] == ["503", "401", "503"]


@pytest.mark.parametrize("name", ["basic_auth_user", "basic_auth_password"])
def test_half_a_login_is_an_error_that_names_the_missing_setting(name: str) -> None:
    with pytest.raises(SettingError, match=name.upper()):
        login_headers(replace(BOTH, **{name: ""}))


def test_a_redirect_is_not_followed_and_does_not_receive_the_login(gateway: Gateway) -> None:
    with Gateway() as elsewhere:
        gateway.listing_status = 302
        gateway.location = f"{elsewhere.url}/system/functions"
        subscriptions = Discovery(gateway.url, {"video": {"video"}}, login_headers(BOTH))
        subscriptions.refresh()
        assert elsewhere.listed == []
    assert not subscriptions.known


def test_configured_subscribers_are_known_from_the_start() -> None:
    subscriptions = fixed_subscriptions({"video": "http://host/convert"}, {"video", "mp3"})
    assert subscriptions.subscribers == {"video": Subscriber("http://host/convert", "http://host/convert")}
    assert (subscriptions.known, subscriptions.max_queues) == (True, 1)


def test_a_subscriber_of_a_queue_that_does_not_exist_is_a_clear_error() -> None:
    with pytest.raises(
        SettingError, match=r"SUBSCRIBERS: vidoe is not a queue; the queues are mp3, video\."
    ) as refused:
        fixed_subscriptions({"mp3": "http://host/notify", "vidoe": "http://host/convert"}, {"video", "mp3"})
    assert refused.value.evidence == {"setting": "SUBSCRIBERS"}
