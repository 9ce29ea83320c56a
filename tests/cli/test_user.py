"""Accounts are added, changed and removed by `soundlift user`."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import urllib3
from click.testing import CliRunner

from devservers.local_stack import Stack
from soundlift.cli.user import user
from soundlift.common.errors import BadRequest, NotFound, TooManyAttempts
from soundlift.common.services import Services
from tests.cli.conftest import Run
from tests.factories.accounts import SECRET
from tests.factories.attempts import age_attempts
from tests.factories.sessions import begin_session, is_live
from tests.fixtures.functions import Call
from tests.pipeline.conftest import EMAIL

pytestmark = pytest.mark.servers


def test_accounts_are_added_listed_changed_and_removed(run: Run) -> None:
    assert run("user", "add", "Ada@Example.org", stdin="a long password\n").stdout == "Added ada@example.org.\n"
    assert run("user", "add", "root@example.org", "--admin", stdin="a long password\n").returncode == 0
    assert run("user", "list").stdout == "ada@example.org\nroot@example.org  admin\n"
    assert run("user", "passwd", "ada@example.org", stdin="another password\n").returncode == 0
    assert run("user", "remove", "ada@example.org").stdout == "Removed ada@example.org.\n"
    assert run("user", "list").stdout == "root@example.org  admin\n"


def test_a_data_folder_that_others_can_read_becomes_private(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.chmod(0o755)
    (data / "soundlift.db").touch(0o644)
    assert run("user", "add", "ada@example.org", stdin="a long password\n").returncode == 0
    assert run("dead", "list").returncode == 0
    assert (data / "queue.db").exists()
    assert not [path for path in (data, *data.rglob("*")) if path.stat().st_mode & 0o077]


def test_if_absent_leaves_an_existing_account_unchanged(run: Run) -> None:
    add = ("user", "add", "Ada@Example.org", "--admin", "--if-absent")
    assert run(*add, stdin="a long password\n").stdout == "Added ada@example.org.\n"
    before = run("user", "list").stdout
    again = run(*add, stdin="")
    assert again.returncode == 0
    assert again.stdout == (
        "ada@example.org already has an account; nothing was changed.\n"
        "To change its password, run: soundlift user passwd ada@example.org\n"
    )
    assert run("user", "list").stdout == before == "ada@example.org  admin\n"


def test_signing_a_user_out_ends_their_sessions(services: Services) -> None:
    data = {"SOUNDLIFT_DATA": str(services.settings.soundlift_data)}
    tokens, his = [begin_session(services) for _ in range(2)], begin_session(services, "bob@example.org")
    for sessions in ("2 sessions", "0 sessions"):
        ended = CliRunner().invoke(user, ["sign-out", "Ada@example.org"], env=data)
        assert ended.exit_code == 0
        assert ended.output.splitlines()[0] == f"Ended {sessions} of ada@example.org."
        assert "TOKEN_SECONDS, 3600 here" in ended.output
    assert not any(is_live(services, token) for token in tokens)
    assert is_live(services, his)
    assert isinstance(CliRunner().invoke(user, ["sign-out", "nobody@example.org"], env=data).exception, NotFound)


def test_signing_everybody_out_ends_all_sessions(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soundlift.common.auth.sessions.DELETE_BATCH", 2)
    data = {"SOUNDLIFT_DATA": str(services.settings.soundlift_data)}
    tokens = [begin_session(services, email) for email in ("ada@example.org", "bob@example.org") for _ in range(2)]
    for arguments in ([], ["ada@example.org", "--all"]):
        refused = CliRunner().invoke(user, ["sign-out", *arguments], env=data)
        assert isinstance(refused.exception, BadRequest)
    ended = CliRunner().invoke(user, ["sign-out", "--all"], env=data)
    assert ended.output.splitlines()[0] == "Ended 4 sessions of all accounts."
    assert "TOKEN_SECONDS, 3600 here" in ended.output
    assert not any(is_live(services, token) for token in tokens)


def test_a_disabled_account_is_listed_as_such_until_it_is_enabled(services: Services) -> None:
    data = {"SOUNDLIFT_DATA": str(services.settings.soundlift_data)}

    def ada() -> str:
        return CliRunner().invoke(user, ["list"], env=data).output.splitlines()[0]

    disabled = CliRunner().invoke(user, ["disable", "Ada@example.org"], env=data)
    assert disabled.output.splitlines()[0] == "Disabled Ada@example.org."
    assert "TOKEN_SECONDS, 3600 here" in disabled.output
    assert ada() == "ada@example.org  disabled"
    assert CliRunner().invoke(user, ["enable", "ada@example.org"], env=data).output == "Enabled ada@example.org.\n"
    assert ada() == "ada@example.org"


@pytest.mark.parametrize("command", ["disable", "enable", "promote", "demote"])
def test_an_unknown_account_cannot_be_changed(services: Services, command: str) -> None:
    data = {"SOUNDLIFT_DATA": str(services.settings.soundlift_data)}
    assert isinstance(CliRunner().invoke(user, [command, "nobody@example.org"], env=data).exception, NotFound)


def test_the_next_access_token_has_the_rights_that_were_given_or_taken(services: Services, function: Call) -> None:
    data, login = {"SOUNDLIFT_DATA": str(services.settings.soundlift_data)}, function("login")
    token = begin_session(services).text
    for command, admin in (("promote", True), ("demote", False)):
        assert CliRunner().invoke(user, [command, "ada@example.org"], env=data).exit_code == 0
        answer = login.post("/refresh", json={"refresh_token": token}).json
        assert answer is not None
        token = answer["refresh_token"]
        assert services.tokens.identify(f"Bearer {answer['access_token']}").admin is admin


@pytest.mark.parametrize(("command", "stdin"), [("passwd", "another password\n"), ("remove", ""), ("disable", "")])
def test_a_new_password_a_removal_and_a_disabled_account_end_the_sessions(
    services: Services, command: str, stdin: str
) -> None:
    data, token = {"SOUNDLIFT_DATA": str(services.settings.soundlift_data)}, begin_session(services)
    assert CliRunner().invoke(user, [command, "ada@example.org"], input=stdin, env=data).exit_code == 0
    assert not is_live(services, token)


def test_a_new_password_ends_the_lock_of_an_account(services: Services) -> None:
    environment = {"SOUNDLIFT_DATA": str(services.settings.soundlift_data), "JWT_SECRET": SECRET}
    for _ in range(services.settings.sign_in_failures):
        services.sign_in_limits.begin("ada@example.org", None)
    age_attempts(services, -60)
    with pytest.raises(TooManyAttempts):
        services.sign_in_limits.begin("ada@example.org", None)
    changed = CliRunner().invoke(user, ["passwd", "ada@example.org"], input="another password\n", env=environment)
    assert changed.exit_code == 0
    services.sign_in_limits.begin("ada@example.org", None)
    assert "still count" not in changed.output


def test_without_the_key_of_login_a_new_password_says_that_a_lock_remains(services: Services) -> None:
    environment = {"SOUNDLIFT_DATA": str(services.settings.soundlift_data), "JWT_SECRET": None}
    changed = CliRunner().invoke(user, ["passwd", "ada@example.org"], input="another password\n", env=environment)
    assert changed.exit_code == 0
    assert "Its failed sign-ins still count: without the JWT_SECRET of login" in changed.output


@pytest.mark.parametrize(
    ("email", "sentence"),
    [
        ("not an address", "is not a single mail address"),
        (" Ada@example.org", "ada@example.org already has an account."),
    ],
)
def test_an_address_is_checked_before_the_password_is_read(services: Services, email: str, sentence: str) -> None:
    data = {"SOUNDLIFT_DATA": str(services.settings.soundlift_data)}
    ended = CliRunner().invoke(user, ["add", email], input="short\n", env=data)
    assert isinstance(ended.exception, BadRequest)
    assert sentence in ended.exception.detail


@pytest.mark.parametrize(("command", "email"), [("add", "new@example.org"), ("passwd", EMAIL)])
@pytest.mark.parametrize(
    ("length", "sentence"),
    [(7, "A password must have at least 8 characters."), (1025, "A password must have at most 1024 bytes in UTF-8.")],
)
def test_a_password_of_invalid_length_is_refused(
    services: Services, command: str, email: str, length: int, sentence: str
) -> None:
    before, data = services.users.list(), {"SOUNDLIFT_DATA": str(services.settings.soundlift_data)}
    ended = CliRunner().invoke(user, [command, email], input="x" * length + "\n", env=data)
    assert isinstance(ended.exception, BadRequest)
    assert ended.exception.detail == sentence
    assert services.users.list() == before


@pytest.mark.parametrize("password", ["8 chars.", "🎵" * 256])
def test_the_shortest_and_the_longest_password_can_sign_in(stack: Stack, password: str) -> None:
    email = f"user-{len(password)}@example.org"
    added = CliRunner().invoke(user, ["add", email], input=f"{password}\n", env={"SOUNDLIFT_DATA": str(stack.data)})
    assert added.output == f"Added {email}.\n"
    basic = base64.b64encode(f"{email}:{password}".encode()).decode()
    for sent in (
        {"headers": {"Authorization": f"Basic {basic}"}},
        {"body": json.dumps({"email": email, "password": password})},
    ):
        assert urllib3.request("POST", f"{stack.url}/login", retries=False, timeout=30, **sent).status == 200
