"""The gateway of `soundlift up` answers faas-cli as OpenFaaS's gateway does.

The tests check the documented API, and faas-cli itself if it is on PATH.
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
    def __call__(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]: ...


@pytest.fixture(scope="module")
def stack(start: Start) -> Stack:
    return start()


class InstalledFaasCli:
    """The faas-cli on PATH, with separate configuration; it runs outside the repository so as not to read stack.yml."""

    def __init__(self, url: str, folder: Path) -> None:
        self._folder = folder
        self._environment = {**os.environ, "OPENFAAS_URL": url, "OPENFAAS_CONFIG": str(folder / "faas-cli")}

    def __call__(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["faas-cli", *arguments],
            input=stdin,
            env=self._environment,
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,  # versions differ in where they print errors
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
    assert faas_cli("login", "--username", user, "--password-stdin", stdin=password).returncode == 0
    return faas_cli


def output_of(ended: subprocess.CompletedProcess[str]) -> str:
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def test_commands_need_the_login_and_accept_the_password_as_a_token(faas_cli: FaasCli, stack: Stack) -> None:
    for command in (("list",), ("describe", "login"), ("logs", "login", "--tail=false"), ("secret", "list")):
        ended = faas_cli(*command)
        assert ended.returncode == 1
        assert "unauthorized access" in ended.stdout.lower()
        output_of(faas_cli(*command, "--token", stack.login.partition(":")[2]))
    assert faas_cli("login", "--username", "soundlift", "--password-stdin", stdin="wrong").returncode == 1


def test_functions_are_listed_and_described(signed_in: FaasCli) -> None:
    assert set(output_of(signed_in("list", "--quiet")).split()) == FUNCTIONS
    described = json.loads(output_of(signed_in("describe", "convert", "--json")))
    assert (described["Status"], described["annotations"]["topic"]) == ("Ready", "video")
    assert "no such function" in signed_in("describe", "nothing").stdout.lower()


def test_public_functions_can_be_invoked_and_internal_ones_with_the_login(signed_in: FaasCli, stack: Stack) -> None:
    ended = signed_in("invoke", "login", "--content-type=application/json", stdin='{"email": "a@b.c", "password": "x"}')
    assert "invalid_credentials" in ended.stdout
    assert "401" in signed_in("invoke", "cleanup").stdout
    header = urllib3.make_headers(basic_auth=stack.login)["authorization"]
    assert json.loads(output_of(signed_in("invoke", "cleanup", "-H", f"Authorization: {header}"))).keys() >= {"sent"}


def test_the_log_of_a_function_is_shown(signed_in: FaasCli, stack: Stack) -> None:
    stack.post("/login")
    lines = output_of(signed_in("logs", "login", "--tail=false", "--lines=1", "--json")).splitlines()
    (line,) = (json.loads(one) for one in lines)
    assert json.loads(line["text"])["function"] == "login"


def test_secrets_and_versions_are_listed(signed_in: FaasCli) -> None:
    assert output_of(signed_in("secret", "list")).split() == ["NAME", "jwt-secret"]
    assert json.loads(output_of(signed_in("version", "--json")))["provider"]["name"] == "soundlift up"


def test_a_command_that_would_change_something_is_refused_with_the_reason(signed_in: FaasCli) -> None:
    ended = signed_in("remove", "login")
    assert ended.returncode == 1
    assert "501" in ended.stdout
    assert "it runs the functions of stack.yml" in ended.stdout
