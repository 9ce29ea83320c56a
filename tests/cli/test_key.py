"""`soundlift key` manages API keys, and other commands use the one in SOUNDLIFT_API_KEY."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from soundlift.common.services import Services
from tests.cli.conftest import Run
from tests.client.servers import Deployment
from tests.factories.accounts import PASSWORD

pytestmark = pytest.mark.servers

EMAIL = "ada@example.org"


@pytest.fixture
def environment(services: Services) -> Iterator[dict[str, str]]:
    """Return the variables that sign in to a deployment with the functions that commands call."""
    with Deployment(services).running() as deployment:
        yield {"SOUNDLIFT_URL": deployment.url, "SOUNDLIFT_EMAIL": EMAIL, "SOUNDLIFT_PASSWORD": PASSWORD}


def test_a_key_is_made_used_by_other_commands_listed_and_revoked(environment: dict[str, str], run: Run) -> None:
    made = run("key", "add", "--name", "nightly", "--scope", "jobs:read,upload", "--expires", "2d", **environment)
    assert made.returncode == 0, made.stderr
    key = made.stdout.removesuffix("\n")
    assert key.startswith("slk_") and len(key) == 42
    assert "is shown only now" in made.stderr and key not in made.stderr

    program = {"SOUNDLIFT_URL": environment["SOUNDLIFT_URL"], "SOUNDLIFT_API_KEY": key}
    whoami = run("whoami", **program)
    assert whoami.stdout.splitlines() == [EMAIL, "API key nightly: upload, jobs:read", environment["SOUNDLIFT_URL"]]
    refused = run("rm", "0" * 24, **program)
    assert (refused.returncode, "lacks the scope jobs:write" in refused.stderr) == (5, True)
    assert run("key", "list", **program).returncode == 4  # it needs a sign-in, not a key

    listed = run("key", "list", **environment, SOUNDLIFT_API_KEY=key)
    assert listed.stdout.startswith(f"{key[:8]}  nightly  upload,jobs:read  until ")
    (document,) = [json.loads(line) for line in run("key", "list", "--json", **environment).stdout.splitlines()]
    assert document["scopes"] == ["upload", "jobs:read"]
    assert "key" not in document

    assert run("key", "remove", key[:8], **environment).stdout == f"Revoked {key[:8]} (nightly).\n"
    assert "revoked" in run("key", "list", **environment).stdout
    ended = run("jobs", **program)
    assert ended.returncode == 4
    assert "was revoked" in ended.stderr and "Make a new one with `soundlift key add`" in ended.stderr
    assert key not in ended.stderr
    again = run("key", "remove", key[:8], **environment)
    assert (again.returncode, "There is no such key" in again.stderr) == (2, True)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--scope", "uplaod"), "'uplaod' is no scope; the scopes are upload, jobs:read"),
        (("--scope", "upload", "--expires", "soon"), "'soon' is not a time such as 12h, 90d, 52w or never"),
        (("--scope", "upload", "--expires", "0d"), "'0d' is not a time"),
    ],
)
def test_a_mistyped_option_is_explained(run: Run, options: tuple[str, ...], sentence: str) -> None:
    ended = run("key", "add", "--name", "n", *options)
    assert ended.returncode == 2
    assert sentence in " ".join(ended.stderr.split())
