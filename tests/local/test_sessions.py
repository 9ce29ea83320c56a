"""A page of `soundlift up` stays signed in at each of the two paths at which the gateway serves login."""

from __future__ import annotations

import json
from http.cookies import SimpleCookie

import pytest
import urllib3
from click.testing import CliRunner

from devservers.local_stack import Stack, Start
from soundlift.cli.user import user
from tests.factories.accounts import PASSWORD
from tests.factories.sessions import ADA, COOKIE

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def stack(start: Start) -> Stack:
    stack = start()
    added = CliRunner().invoke(user, ["add", ADA, "--data", str(stack.data)], input=f"{PASSWORD}\n")
    assert added.exit_code == 0
    return stack


def post(stack: Stack, path: str, body: dict[str, str], cookie: str = "", **headers: str) -> urllib3.BaseHTTPResponse:
    sent = {"Origin": stack.url, "Content-Type": "application/json", "Cookie": f"{COOKIE}={cookie}", **headers}
    return urllib3.request("POST", stack.url + path, headers=sent, body=json.dumps(body), retries=False, timeout=30)


@pytest.mark.parametrize("mount", ["/login", "/function/login"])
def test_the_cookie_belongs_to_the_path_of_login_that_the_page_uses(stack: Stack, mount: str) -> None:
    answer = post(stack, mount, {"email": ADA, "password": PASSWORD, "refresh": "cookie"})
    values = []
    for path, status in (("/refresh", 200), ("/refresh", 200), ("/sign-out", 204)):
        cookie = SimpleCookie(answer.headers["Set-Cookie"])[COOKIE]
        values.append(cookie.value)
        assert (cookie["path"], cookie["secure"], cookie["httponly"], cookie["samesite"]) == (mount, "", True, "Strict")
        answer = post(stack, mount + path, {}, cookie.value)
        assert answer.status == status
    assert len(set(values)) == 3
    assert post(stack, f"{mount}/refresh", {}, values[-1]).status == 401


@pytest.mark.parametrize("path", ["/login", "/login/refresh", "/function/login/sign-out"])
def test_another_server_on_this_machine_cannot_use_the_cookie(stack: Stack, path: str) -> None:
    body = {"email": ADA, "password": PASSWORD, "refresh": "cookie"} if path == "/login" else {}
    answer = post(stack, path, body, Origin="http://127.0.0.1:1")
    assert (answer.status, answer.json()["code"]) == (403, "cross_site_request")
    assert "Set-Cookie" not in answer.headers


def test_an_operator_can_sign_a_user_out_while_the_stack_runs(stack: Stack) -> None:
    token = post(stack, "/login", {"email": ADA, "password": PASSWORD, "refresh": "token"}).json()["refresh_token"]
    token = post(stack, "/login/refresh", {"refresh_token": token}).json()["refresh_token"]
    ended = CliRunner().invoke(user, ["sign-out", ADA, "--data", str(stack.data)])
    assert ended.output.startswith("Ended 1 session of ada@example.org.\n")
    assert post(stack, "/login/refresh", {"refresh_token": token}).status == 401
