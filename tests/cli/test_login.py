"""`soundlift login` saves a session, which any number of commands use and renew, until `logout` ends it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import urllib3

from devservers.local_stack import Stack, Start
from devservers.waiting import wait_for
from soundlift.client import Client
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.cli.conftest import Run
from tests.factories.accounts import PASSWORD

pytestmark = pytest.mark.servers

EMAIL = "ada@example.org"
Saved = Callable[..., dict[str, str]]


@pytest.fixture(scope="module")
def server(start: Start, password_hash: str) -> Stack:
    """Return a stack whose access tokens expire after two seconds."""
    stack = start(TOKEN_SECONDS="2")
    services = Services(Settings.from_environment({"SOUNDLIFT_DATA": str(stack.data)}))
    services.users.add(EMAIL, password_hash)
    services.users.add("root@example.org", password_hash, admin=True)
    services.database.engine.dispose()
    return stack


@pytest.fixture
def config(tmp_path: Path, run: Run) -> dict[str, str]:
    """Return the variables that put the profiles into this test's folder, where a file has the password."""
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    return {"XDG_CONFIG_HOME": str(tmp_path / "config"), "HOME": str(tmp_path)}


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    """Return a function that reads the file of a profile."""

    def read(profile: str = "default") -> dict[str, str]:
        (file,) = tmp_path.rglob(f"{profile}.json")
        values: dict[str, str] = json.loads(file.read_text())
        return values

    return read


def sign_in(run: Run, server: Stack, config: dict[str, str], *options: str, email: str = EMAIL) -> None:
    address = server.url.removeprefix("http://")
    ended = run("login", "--url", address, "--email", email, "--password-file", "password", *options, **config)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"Signed in to {server.url} as {email}")


def wait_for_expiry(server: Stack, saved: Saved) -> str:
    """Wait until the server refuses the saved access token, and return it."""
    token = saved()["access_token"]
    header = {"Authorization": f"Bearer {token}"}

    def refused() -> bool:
        return urllib3.request("GET", f"{server.url}/validate", headers=header, retries=False).status == 401

    wait_for(refused, "the access token expires")
    return token


def test_a_session_is_saved_privately_and_used_by_further_commands(
    run: Run, server: Stack, config: dict[str, str], saved: Saved, tmp_path: Path
) -> None:
    sign_in(run, server, config)
    assert run("whoami", **config).stdout == f"{EMAIL}\n{server.url}\n"
    (file,) = tmp_path.rglob("default.json")
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (file.parent, file.parents[1])} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()} == {0o600}
    assert saved().keys() == {"url", "email", "access_token", "refresh_token"}


def test_an_expired_access_token_is_renewed(run: Run, server: Stack, config: dict[str, str], saved: Saved) -> None:
    sign_in(run, server, config)
    before = saved()
    wait_for_expiry(server, saved)
    assert run("whoami", **config).returncode == 0
    after = saved()
    assert after["access_token"] != before["access_token"]
    assert after["refresh_token"] != before["refresh_token"]


def test_concurrent_commands_renew_a_session_without_ending_it(
    run: Run, server: Stack, config: dict[str, str], saved: Saved, tmp_path: Path
) -> None:
    sign_in(run, server, config)
    for _ in range(2):
        wait_for_expiry(server, saved)
        command = [sys.executable, "-m", "soundlift.cli", "whoami"]
        environment = {**os.environ, **config}
        started = [subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) for _ in range(4)]
        assert [process.wait(60) for process in started] == [0, 0, 0, 0]


def test_a_session_that_has_ended_is_reported_with_what_to_do(
    run: Run, server: Stack, config: dict[str, str], saved: Saved
) -> None:
    sign_in(run, server, config)
    Client(server.url, refresh_token=saved()["refresh_token"]).sign_out()
    wait_for_expiry(server, saved)
    for sentence in (f"no longer signed in to {server.url}. Sign in again with `soundlift login`", "not signed in to"):
        ended = run("whoami", **config)
        assert ended.returncode == 4
        assert sentence in ended.stderr
    assert saved()["access_token"] is None


def test_a_profile_is_a_deployment_and_its_session_goes_nowhere_else(
    run: Run, server: Stack, config: dict[str, str]
) -> None:
    sign_in(run, server, config, "--profile", "work", email="root@example.org")
    assert run("whoami", SOUNDLIFT_URL=server.url, **config).returncode == 4
    assert run("whoami", "--profile", "work", **config).stdout == f"root@example.org  admin\n{server.url}\n"
    assert run("whoami", SOUNDLIFT_PROFILE="work", **config).returncode == 0
    other_url = server.url.replace("127.0.0.1", "localhost")
    elsewhere = run("whoami", "--profile", "work", "--url", other_url, **config)
    assert (elsewhere.returncode, f"not signed in to {other_url}" in elsewhere.stderr) == (4, True)
    assert run("whoami", "--all", **config).stdout == f"work: root@example.org\n  {server.url}\n"


def test_logout_ends_the_session_at_the_server_and_here(
    run: Run, server: Stack, config: dict[str, str], saved: Saved, tmp_path: Path
) -> None:
    sign_in(run, server, config)
    refresh_token = saved()["refresh_token"]
    assert run("logout", **config).stdout == f"Signed out of {server.url}.\n"
    assert not list(tmp_path.rglob("*.json"))
    again = run("logout", **config)
    assert (again.returncode, again.stderr) == (4, "soundlift: You are not signed in; there is nothing to do.\n")
    ended = run("whoami", "--url", server.url, **config)
    assert ended.returncode == 4
    with pytest.raises(Exception, match="session has ended"):
        Client(server.url, refresh_token=refresh_token).login()


def test_a_wrong_password_keeps_the_session_that_there_is(
    run: Run, server: Stack, config: dict[str, str], saved: Saved, tmp_path: Path
) -> None:
    sign_in(run, server, config)
    before = saved()
    (tmp_path / "password").write_text("wrong password\n")
    ended = run("login", "--email", EMAIL, "--password-file", "password", **config)
    assert (ended.returncode, ended.stderr) == (4, "soundlift: The email address or the password is wrong.\n")
    assert saved() == before


def test_a_token_in_the_environment_needs_no_session(run: Run, server: Stack, config: dict[str, str]) -> None:
    secrets = str(server.data / "secrets")
    settings = Settings.from_environment({"SECRETS_FOLDER": secrets, "TOKEN_SECONDS": "600"})
    token = Services(settings).tokens.sign_in(EMAIL, admin=False)
    assert run("whoami", "--url", server.url, SOUNDLIFT_TOKEN=token, **config).stdout.startswith(EMAIL)
    refused = run("whoami", "--url", server.url, SOUNDLIFT_TOKEN="x", **config)
    assert (refused.returncode, refused.stderr.count("\n")) == (4, 1)


def test_no_server_is_reported_with_how_to_start_it(run: Run, config: dict[str, str]) -> None:
    ended = run("whoami", "--url", "127.0.0.1:1", "--token", "x", **config)
    assert ended.returncode == 3
    assert ended.stderr == (
        "soundlift: Cannot connect to http://127.0.0.1:1 (Connection refused). "
        "Start it with `soundlift up`, or set SOUNDLIFT_URL.\n"
    )


@pytest.mark.parametrize("command", [("login",), ("jobs",), ("whoami",)])
def test_no_server_is_reported_before_a_password_is_asked_for(
    run: Run, config: dict[str, str], command: tuple[str, ...]
) -> None:
    ended = run(
        *command, "--url", "127.0.0.1:1", "--email", EMAIL, "--password-file", "-", stdin="a password\n", **config
    )
    assert (ended.returncode, "Cannot connect to http://127.0.0.1:1" in ended.stderr) == (3, True)
    if command != ("login",):
        ended = run(*command, "--url", "127.0.0.1:1", **config)
        assert (ended.returncode, "Start it with `soundlift up`" in ended.stderr) == (3, True)


def test_the_address_of_the_page_is_not_that_of_the_api(run: Run, server: Stack, config: dict[str, str]) -> None:
    ended = run("whoami", "--url", f"{server.url}/web/", **config)
    assert (ended.returncode, "without the path of a page such as /web." in ended.stderr) == (5, True)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"url": 1}', '{"url": "x", "email": "y", "access_token": 3}'])
def test_a_damaged_profile_is_reported_in_one_sentence(
    run: Run, config: dict[str, str], tmp_path: Path, content: str
) -> None:
    file = tmp_path / "config" / "soundlift" / "profiles" / "default.json"
    file.parent.mkdir(parents=True)
    file.write_text(content)
    ended = run("whoami", **config)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "Delete it, and sign in again." in ended.stderr
