"""The gateway of `soundlift up` answers faas-cli as OpenFaaS's gateway does.

Held to the documented API, and to faas-cli itself where it is on PATH.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Protocol

import pytest
import urllib3

from devservers.local_stack import Stack, Start
from tests.local.documented_faas_cli import DocumentedFaasCli
from tests.local.test_up import FUNCTIONS

pytestmark = pytest.mark.servers


class FaasCli(Protocol):
    def __call__(self, *arguments: str, said: str = "") -> subprocess.CompletedProcess[str]: ...


@pytest.fixture(scope="module")
def stack(start: Start) -> Stack:
    return start()


class InstalledFaasCli:
    """The faas-cli on PATH, with a configuration of its own, away from stack.yml, whose gateway it would use."""

    def __init__(self, url: str, folder: Path) -> None:
        self._folder = folder
        self._environment = {**os.environ, "OPENFAAS_URL": url, "OPENFAAS_CONFIG": str(folder / "faas-cli")}

    def __call__(self, *arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["faas-cli", *arguments],
            input=said,
            env=self._environment,
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,  # versions differ in where they say what went wrong
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture(params=["documented", *(["installed"] if shutil.which("faas-cli") else [])])
def faas_cli(stack: Stack, tmp_path: Path, request: pytest.FixtureRequest) -> FaasCli:
    return DocumentedFaasCli(stack.url) if request.param == "documented" else InstalledFaasCli(stack.url, tmp_path)


@pytest.fixture
def signed_in(faas_cli: FaasCli, stack: Stack) -> FaasCli:
    user, _, password = stack.login.partition(":")
    assert faas_cli("login", "--username", user, "--password-stdin", said=password).returncode == 0
    return faas_cli


def done(ended: subprocess.CompletedProcess[str]) -> str:
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def test_without_a_login_it_is_refused_and_the_password_is_a_token(faas_cli: FaasCli, stack: Stack) -> None:
    for command in (("list",), ("describe", "login"), ("logs", "login", "--tail=false"), ("secret", "list")):
        ended = faas_cli(*command)
        assert ended.returncode == 1
        assert "unauthorized access" in ended.stdout.lower()
        done(faas_cli(*command, "--token", stack.login.partition(":")[2]))
    assert faas_cli("login", "--username", "soundlift", "--password-stdin", said="wrong").returncode == 1


def test_it_lists_and_describes_the_functions(signed_in: FaasCli) -> None:
    assert set(done(signed_in("list", "--quiet")).split()) == FUNCTIONS
    described = json.loads(done(signed_in("describe", "convert", "--json")))
    assert (described["Status"], described["annotations"]) == ("Ready", {"topic": "video"})
    assert "no such function" in signed_in("describe", "nothing").stdout.lower()


def test_it_invokes_public_functions_and_internal_ones_with_the_login(signed_in: FaasCli, stack: Stack) -> None:
    ended = signed_in("invoke", "login", "--content-type=application/json", said='{"email": "a@b.c", "password": "x"}')
    assert "invalid_credentials" in ended.stdout
    assert "401" in signed_in("invoke", "cleanup").stdout
    header = urllib3.make_headers(basic_auth=stack.login)["authorization"]
    assert json.loads(done(signed_in("invoke", "cleanup", "-H", f"Authorization: {header}"))).keys() >= {"sent"}


def test_it_shows_a_function_s_log(signed_in: FaasCli, stack: Stack) -> None:
    stack.post("/login")
    lines = done(signed_in("logs", "login", "--tail=false", "--lines=1", "--json")).splitlines()
    (line,) = (json.loads(one) for one in lines)
    assert json.loads(line["text"])["function"] == "login"


def test_it_lists_secrets_and_versions(signed_in: FaasCli) -> None:
    assert done(signed_in("secret", "list")).split() == ["NAME", "jwt-secret"]
    assert json.loads(done(signed_in("version", "--json")))["provider"]["name"] == "soundlift up"


def test_what_it_would_change_is_refused_with_a_sentence(signed_in: FaasCli) -> None:
    ended = signed_in("remove", "login")
    assert ended.returncode == 1
    assert "501" in ended.stdout
    assert "it runs the functions of stack.yml" in ended.stdout
