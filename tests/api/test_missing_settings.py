"""Missing and malformed settings of a function."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cloudevents.core.v1.event import CloudEvent
from flask import Request
from flask.typing import ResponseReturnValue

from soundlift.common.errors import SettingError
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from soundlift.common.web.application import event_function, http_function

SECRET = "sqlite:////data/secret.db"


def broken_event(event: CloudEvent, services: Services) -> CloudEvent | None:
    raise RuntimeError(SECRET)


def show_tokens(request: Request, services: Services) -> ResponseReturnValue:
    return str(services.tokens)


def test_a_missing_setting_is_named_only_to_the_operator(settings: Settings) -> None:
    services = Services(replace(settings, jwt_secret=""))
    with pytest.raises(SettingError, match="JWT_SECRET is missing"):
        services.check("tokens")
    response = http_function(show_tokens, methods=["GET"], services=services).test_client().get("/")
    assert (response.status_code, response.json and response.json["code"]) == (503, "bad_setting")
    assert "JWT_SECRET" not in response.text


def test_a_function_does_not_start_without_a_required_setting(settings: Settings) -> None:
    services = Services(replace(settings, jwt_secret=""))
    http_function(show_tokens, methods=["GET"], needs=["videos"], services=services).open_services()
    with pytest.raises(SettingError, match="JWT_SECRET is missing"):
        http_function(show_tokens, methods=["GET"], needs=["videos", "tokens"], services=services).open_services()
    with pytest.raises(SettingError, match="JWT_SECRET is missing"):
        event_function(broken_event, needs=["tokens"], services=services).open_services()


@pytest.mark.parametrize(
    ("name", "value"),
    [("JWT_SECRET", "short"), ("MAX_UPLOAD_BYTES", "0"), ("PUBLIC_URL", "ftp://x"), ("AUDIO_BITRATE", "999k")],
)
def test_the_error_for_a_malformed_setting_names_the_setting(name: str, value: str) -> None:
    with pytest.raises(SettingError) as caught:
        Settings.from_environment({name: value})
    assert caught.value.detail.startswith(f"Setting {name}: ")
    assert (value in caught.value.detail) == (name != "JWT_SECRET")


@pytest.mark.parametrize(
    ("service", "missing"),
    [
        ("database", "Setting DATABASE_URL is missing"),
        ("videos", "Setting MEDIA_URL is missing"),
        ("broker", "Setting BROKER_URL is missing"),
        ("publisher", "Settings BROKER_URL and K_SINK are missing"),
    ],
)
def test_a_missing_url_is_an_error_unless_services_are_embedded(service: str, missing: str) -> None:
    services = Services(Settings.from_environment({"EMBEDDED": "false"}))
    with pytest.raises(SettingError, match=missing):
        getattr(services, service)
