"""`soundlift doctor` names every malformed setting, and those that contradict each other."""

from __future__ import annotations

import pytest

from soundlift.cli.doctor.finding import Finding, Status
from soundlift.cli.doctor.hosts import is_loopback, is_private
from soundlift.cli.doctor.redaction import redacted, secrets_of
from soundlift.cli.doctor.settings import check_settings
from soundlift.common.settings import Settings
from tests.factories.accounts import SECRET

SERVERS = {
    "EMBEDDED": "false",
    "DATABASE_URL": "mysql://db/soundlift",
    "MEDIA_URL": "s3://bucket",
    "BROKER_URL": "amqp://broker",
    "PUBLIC_URL": "https://soundlift.example.org",
    "JWT_SECRET": SECRET,
}


def _check(**variables: str) -> list[Finding]:
    return list(check_settings(*Settings.read({**SERVERS, **variables})))


def test_good_settings_are_one_line() -> None:
    (finding,) = _check()
    assert (finding.part, finding.status) == ("settings", Status.OK)


def test_every_malformed_setting_is_named() -> None:
    found = _check(PORT="http", MAX_UPLOAD_BYTES="-1", SANDBOX="maybe", JWT_SECRET="short", LOG_LEVEL="loud")
    assert [one.status for one in found] == [Status.FAILED] * 5
    assert {one.detail.split()[1].rstrip(":") for one in found} == {
        "PORT",
        "MAX_UPLOAD_BYTES",
        "SANDBOX",
        "JWT_SECRET",
        "LOG_LEVEL",
    }
    assert "short" not in str(found)


CONTRADICTIONS: dict[str, tuple[dict[str, str], Status, str]] = {
    "no database": ({"DATABASE_URL": ""}, Status.FAILED, "DATABASE_URL is missing"),
    "no store": ({"MEDIA_URL": ""}, Status.FAILED, "MEDIA_URL is missing"),
    "no broker": ({"BROKER_URL": ""}, Status.FAILED, "BROKER_URL is missing"),
    "no key": ({"JWT_SECRET": ""}, Status.FAILED, "JWT_SECRET is missing"),
    "weak key": ({"JWT_SECRET": "changeme" * 4}, Status.FAILED, "JWT_SECRET is easy to guess"),
    "clear text": ({"PUBLIC_URL": "http://soundlift.example.org"}, Status.FAILED, "passwords are sent unencrypted"),
    "loopback": ({"PUBLIC_URL": "http://127.0.0.1:8080"}, Status.FAILED, "their reader's own machine"),
    "long conversion": ({"MAX_CONVERSION_SECONDS": "3600"}, Status.WARNING, "ends after 600 s"),
    "long drain": (
        {"DRAIN_SECONDS": "900", "MAX_CONVERSION_SECONDS": "550"},
        Status.WARNING,
        "is killed after 600 s",
    ),
    "useless drain": ({"DRAIN_SECONDS": "599"}, Status.WARNING, "more than MAX_CONVERSION_SECONDS"),
    "small quota": ({"MAX_STORED_BYTES": "1000"}, Status.WARNING, "less than MAX_UPLOAD_BYTES"),
    "long polls": ({"THREADS": "8"}, Status.FAILED, "block all others"),
    "half a certificate": ({"BROKER_CERT_FILE": "/cert"}, Status.FAILED, "BROKER_KEY_FILE is missing"),
    "half a login": ({"BASIC_AUTH_USER": "admin"}, Status.FAILED, "BASIC_AUTH_PASSWORD is missing"),
    "unknown topic": ({"EXTRA_SUBSCRIBERS": "moon=x"}, Status.FAILED, "moon is not a topic"),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_contradiction_is_found_and_explained(name: str) -> None:
    variables, status, text = CONTRADICTIONS[name]
    found = _check(**variables)
    assert [one.status for one in found if text in one.detail] == [status]
    assert all(one.advice for one in found)


def test_what_follows_from_a_malformed_setting_is_not_reported() -> None:
    (finding,) = _check(JWT_SECRET="short")
    assert "not usable" in finding.detail


def test_a_laptop_needs_no_servers_and_no_certificate() -> None:
    (finding,) = check_settings(*Settings.read({"JWT_SECRET": SECRET}))
    assert finding.status == Status.OK


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "10.1.2.3", "192.168.1.5", "mysql", "db.prod.svc"])
def test_private_hosts_need_no_encryption(host: str) -> None:
    assert is_private(host)


@pytest.mark.parametrize("host", ["8.8.8.8", "2001:4860:4860::8888", "example.org", "localhost.example.org"])
def test_public_hosts_are_told_from_private_ones(host: str) -> None:
    assert not is_private(host)
    assert not is_loopback(host)


def test_every_secret_is_removed_from_what_is_printed() -> None:
    settings = Settings.from_environment(
        {
            "DATABASE_URL": "mysql://ada:p%40ssword1@db/soundlift",
            "BROKER_URL": "amqp://ada:password2@a, amqps://ada:password3@b",
            "MEDIA_URL": "s3://KEY:password4@bucket",
            "SMTP_URL": "smtp://ada:password5@mail",
            "MYSQL_PASSWORD": "password6",
            "BASIC_AUTH_PASSWORD": "password7",
            "JWT_SECRET": f"{SECRET}\n{SECRET[::-1]}",
        }
    )
    text = f"p%40ssword1 p@ssword1 {' '.join(f'password{number}' for number in range(2, 8))} {SECRET} {SECRET[::-1]}"
    assert redacted(text, secrets_of(settings)) == " ".join(["***"] * 10)
