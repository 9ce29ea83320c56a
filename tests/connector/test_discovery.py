"""The connector learns from the gateway which function takes which queue, and keeps what it knows while it is away."""

from __future__ import annotations

import socket
from dataclasses import replace
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from devservers.waiting import DEADLINE_SECONDS
from soundlift.common.auth.gateway_login import user_of
from soundlift.common.errors import SettingError
from soundlift.common.process.shutdown import Shutdown
from soundlift.common.settings import Settings
from soundlift.connector import discovery
from soundlift.connector.discovery import FIRST_SECONDS, REFRESH_SECONDS, Discovery
from soundlift.connector.subscriptions import Subscriber, fixed_subscriptions
from tests.connector.gateway import Gateway, empty


@pytest.fixture
def subscriptions(gateway: Gateway) -> Discovery:
    gateway.deploy("convert", "video", empty)
    gateway.deploy("notify", "mp3", empty)
    return Discovery(gateway.url, {"video", "mp3"})


def names(subscriptions: Discovery) -> dict[str, str]:
    return {queue: subscriber.name for queue, subscriber in subscriptions.subscribers.items()}


def test_there_is_no_subscriber_before_the_gateway_answered(subscriptions: Discovery) -> None:
    assert names(subscriptions) == {}


def test_each_queue_has_the_function_whose_annotation_names_it(subscriptions: Discovery, gateway: Gateway) -> None:
    subscriptions.refresh()
    assert subscriptions.subscribers == {
        "video": Subscriber("convert", f"{gateway.url}/function/convert"),
        "mp3": Subscriber("notify", f"{gateway.url}/function/notify"),
    }


def test_one_function_may_name_several_topics_and_foreign_ones_count_for_nothing(
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


def test_of_several_claims_the_first_by_name_wins_and_the_log_says_so_once(
    subscriptions: Discovery, gateway: Gateway
) -> None:
    gateway.deploy("another", "video", empty)
    with capture_logs() as logs:
        subscriptions.refresh()
        subscriptions.refresh()
    assert names(subscriptions)["video"] == "another"
    warnings = [line for line in logs if line["log_level"] == "warning"]
    assert [(line["topic"], line["functions"]) for line in warnings] == [("video", ["another", "convert"])]


def test_the_last_map_stays_while_the_gateway_is_away_and_a_new_one_replaces_it(
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
def test_the_last_map_stays_when_the_gateway_answers_no_list_of_functions(
    subscriptions: Discovery, gateway: Gateway, status: int, listing: Any
) -> None:
    subscriptions.refresh()
    gateway.listing_status, gateway.listing = status, listing
    subscriptions.refresh()
    assert names(subscriptions) == {"video": "convert", "mp3": "notify"}


def test_a_gateway_that_takes_a_connection_and_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "TIMEOUT_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as hanging, capture_logs() as logs:
        subscriptions = Discovery(f"http://127.0.0.1:{hanging.getsockname()[1]}", {"video"})
        refresh = Thread(target=subscriptions.refresh, daemon=True)
        refresh.start()
        refresh.join(DEADLINE_SECONDS)
        assert not refresh.is_alive()
    assert "timed out" in logs[0]["detail"]
    assert not subscriptions.known


def test_a_gateway_that_has_never_answered_is_asked_again_sooner_than_one_that_has(
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
    assert slept == [(False, FIRST_SECONDS), (True, REFRESH_SECONDS)]
    assert FIRST_SECONDS < REFRESH_SECONDS


def test_an_empty_list_is_an_answer(subscriptions: Discovery, gateway: Gateway) -> None:
    subscriptions.refresh()
    gateway.listing = []
    subscriptions.refresh()
    assert names(subscriptions) == {}


USER = ("admin", "pässword: of the gateway")
BOTH = Settings(basic_auth_user=USER[0], basic_auth_password=USER[1])


def test_a_gateway_that_wants_a_user_tells_its_functions_to_its_own(gateway: Gateway) -> None:
    gateway.deploy("convert", "video", empty)
    gateway.user = USER
    subscriptions = Discovery(gateway.url, {"video"}, user_of(BOTH))
    subscriptions.refresh()
    assert names(subscriptions) == {"video": "convert"}


@pytest.mark.parametrize("settings", [Settings(), replace(BOTH, basic_auth_password="an old password")])
def test_a_user_that_the_gateway_refuses_is_one_line_that_names_the_settings_and_no_secret(
    gateway: Gateway, settings: Settings
) -> None:
    gateway.user = USER
    subscriptions = Discovery(gateway.url, {"video"}, user_of(settings))
    with capture_logs() as logs:
        for _ in range(3):
            subscriptions.refresh()
    [line] = logs
    assert line["log_level"] == "warning"
    assert "401" in line["detail"]
    assert "BASIC_AUTH_USER and BASIC_AUTH_PASSWORD" in line["detail"]
    assert "old password" not in str(line)
    assert not subscriptions.known


def test_each_kind_of_trouble_is_logged_once(subscriptions: Discovery, gateway: Gateway) -> None:
    with capture_logs() as logs:
        for status in (503, 503, 401, 401, 503):
            gateway.listing_status = status
            subscriptions.refresh()
    assert [line["detail"].split()[2].strip(":") for line in logs] == ["503", "401", "503"]


@pytest.mark.parametrize("name", ["basic_auth_user", "basic_auth_password"])
def test_half_a_user_is_refused_by_the_name_of_what_is_missing(name: str) -> None:
    with pytest.raises(SettingError, match=name.upper()):
        user_of(replace(BOTH, **{name: ""}))


def test_a_redirect_is_not_followed_and_learns_no_user(gateway: Gateway) -> None:
    with Gateway() as elsewhere:
        gateway.listing_status = 302
        gateway.location = f"{elsewhere.url}/system/functions"
        subscriptions = Discovery(gateway.url, {"video"}, user_of(BOTH))
        subscriptions.refresh()
        assert elsewhere.listed == []
    assert not subscriptions.known


def test_the_subscribers_that_an_operator_wrote_down_are_known_from_the_start() -> None:
    subscriptions = fixed_subscriptions({"video": "http://host/convert"}, {"video", "mp3"})
    assert subscriptions.subscribers == {"video": Subscriber("http://host/convert", "http://host/convert")}
    assert (subscriptions.known, subscriptions.most) == (True, 1)


def test_a_subscriber_of_no_queue_is_a_clear_error() -> None:
    with pytest.raises(SettingError, match="SUBSCRIBERS: vidoe is no topic; there are mp3 and video") as refused:
        fixed_subscriptions({"mp3": "http://host/notify", "vidoe": "http://host/convert"}, {"video", "mp3"})
    assert refused.value.evidence == {"setting": "SUBSCRIBERS"}
