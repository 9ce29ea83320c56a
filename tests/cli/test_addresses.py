"""An address without a scheme is completed: http for this machine, https for all others."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from soundlift.cli.profiles import Profile
from soundlift.cli.sign_in import deployment_options


@click.command()
def show(url: str | None, profile: Profile) -> None:
    click.echo(url)


for option in deployment_options:
    show = option(show)  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("localhost", "http://localhost"),
        ("[::1]:81/", "http://[::1]:81"),
        ("app.localhost:81", "http://app.localhost:81"),
        ("soundlift.example.org/function", "https://soundlift.example.org/function"),
        ("192.0.2.1:8080", "https://192.0.2.1:8080"),
        ("http://soundlift.example.org", "http://soundlift.example.org"),
        ("127.0.0.1.example.org", "https://127.0.0.1.example.org"),
    ],
)
def test_a_missing_scheme_depends_on_the_host(given: str, used: str) -> None:
    assert CliRunner().invoke(show, ["--url", given]).output.strip() == used


@pytest.mark.parametrize("given", ["ftp://x", "http://", "a b", "http://x:port", "https://x?y", "[::1"])
def test_an_impossible_address_is_a_usage_error(given: str) -> None:
    assert CliRunner().invoke(show, ["--url", given]).exit_code == 2


@pytest.mark.parametrize("name", ["..", "a/b", "", "-x", "x" * 65, ".hidden", "a.json"])
def test_a_profile_is_named_with_plain_characters(name: str) -> None:
    ended = CliRunner().invoke(show, ["--profile", name])
    assert ended.exit_code == (0 if name == "" else 2)
