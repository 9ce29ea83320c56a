"""The gateway of `up` serves a part of OpenFaaS's API below /system to clients with its login."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import urllib3

from devservers.local_stack import Stack, Start
from devservers.waiting import wait_for
from tests.local.test_up import FUNCTIONS

pytestmark = pytest.mark.servers

PATHS = ["functions", "function/login", "info", "secrets", "logs?name=login", "namespaces", ""]
MAX_FOLLOWERS = 4


@pytest.fixture(scope="module")
def stack(start: Start) -> Stack:
    return start()


def system(stack: Stack, path: str) -> urllib3.BaseHTTPResponse:
    return stack.get(f"/system/{path}", login=stack.login)


def messages(stack: Stack, query: str) -> list[dict[str, Any]]:
    answer = system(stack, f"logs?{query}")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.data.splitlines()]


def refuse_sign_in(stack: Stack, trace: str) -> None:
    """Cause a line in the log of login, with a trace id that ends with `trace`."""
    trace_id = f"{trace:>032}"
    headers = {"traceparent": f"00-{trace_id}-00000000000000aa-01", "Connection": "close"}
    answer = urllib3.request("POST", f"{stack.url}/login", headers=headers, retries=False, timeout=30)
    assert answer.status == 401
    wait_for(lambda: trace_id in (stack.data / "logs" / "gateway.log").read_text(), "the line has been written")


@pytest.mark.parametrize("path", PATHS)
def test_every_path_needs_the_login(stack: Stack, path: str) -> None:
    user, _, password = stack.login.partition(":")
    for login in (None, f"{user}:wrong", f"wrong:{password}", ":"):
        answer = stack.get(f"/system/{path}", login=login)
        assert (answer.status, answer.json()["code"]) == (401, "invalid_credentials")


@pytest.mark.parametrize(("token", "status"), [("{}", 200), ("{}x", 401), ("x", 401), ("", 401)])
def test_the_password_is_also_accepted_as_a_bearer_token(stack: Stack, token: str, status: int) -> None:
    headers = {"Authorization": f"Bearer {token.format(stack.login.partition(':')[2])}", "Connection": "close"}
    answer = urllib3.request("GET", f"{stack.url}/system/functions", headers=headers, retries=False, timeout=30)
    assert answer.status == status


def test_a_functions_description_equals_its_list_entry(stack: Stack) -> None:
    listed = {one["name"]: one for one in system(stack, "functions").json()}
    assert {name: system(stack, f"function/{name}?usage=1").json() for name in FUNCTIONS} == listed
    unknown = system(stack, "function/nothing?usage=1")
    assert (unknown.status, unknown.json()["code"]) == (404, "not_found")


def test_a_call_is_counted(stack: Stack) -> None:
    before = system(stack, "function/validate").json()["invocationCount"]
    stack.get("/validate")
    assert system(stack, "function/validate").json()["invocationCount"] == before + 1


def test_a_name_may_include_the_namespace_and_internal_functions_need_the_login(stack: Stack) -> None:
    assert stack.post("/function/login.openfaas-fn").json()["code"] == "missing_credentials"
    for path in ("/cleanup", "/function/cleanup", "/function/cleanup.openfaas-fn"):
        assert stack.post(path).status == 401
        assert stack.post(path, login=stack.login).json().keys() == {"expired", "orphans", "sent"}


def test_secrets_are_listed_by_name_without_their_values(stack: Stack) -> None:
    answer = system(stack, "secrets")
    assert answer.json() == [{"name": "jwt-secret", "namespace": "openfaas-fn"}]


def test_info_names_provider_version_and_architecture(stack: Stack) -> None:
    info = system(stack, "info").json()
    assert info["provider"]["provider"] == "soundlift up"
    assert info["version"]["release"]
    assert info["arch"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "functions"),
        ("PUT", "functions"),
        ("DELETE", "functions"),
        ("POST", "secrets"),
        ("PUT", "secrets"),
        ("DELETE", "secrets"),
        ("POST", "scale-function/login"),
        ("GET", "namespaces"),
        ("POST", "logs"),
        ("GET", "function/login/x"),
    ],
)
def test_unsupported_requests_get_a_501(stack: Stack, method: str, path: str) -> None:
    headers = {"Connection": "close", **urllib3.make_headers(basic_auth=stack.login)}
    answer = urllib3.request(method, f"{stack.url}/system/{path}", headers=headers, retries=False, timeout=30)
    assert answer.status == 501
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"].startswith(f"`soundlift up` does not support {method} /system/{path}: ")


def test_the_log_of_a_function_has_only_its_lines_oldest_first(stack: Stack) -> None:
    stack.get("/validate")
    for trace in ("a1", "a2", "a3"):
        refuse_sign_in(stack, trace)
    found = messages(stack, "name=login")
    assert {(one["name"], one["namespace"]) for one in found} == {("login", "openfaas-fn")}
    texts = [json.loads(one["text"]) for one in found]
    assert {text["function"] for text in texts} == {"login"}
    assert [text["trace_id"][-2:] for text in texts][-3:] == ["a1", "a2", "a3"]
    assert [text["timestamp"] for text in texts] == sorted(text["timestamp"] for text in texts)
    last = messages(stack, "name=login&tail=2&follow=false&namespace=openfaas-fn")
    assert last == found[-2:]
    assert messages(stack, "name=login&tail=-1") == found


def test_a_log_can_be_limited_to_lines_since_a_time(stack: Stack) -> None:
    refuse_sign_in(stack, "b1")
    now = datetime.now(UTC)
    assert messages(stack, f"name=login&since={(now - timedelta(minutes=10)):%Y-%m-%dT%H:%M:%SZ}")
    assert messages(stack, f"name=login&since={(now + timedelta(minutes=10)):%Y-%m-%dT%H:%M:%S}%2B00:00") == []


def followed(stack: Stack, query: str) -> AbstractContextManager[urllib3.BaseHTTPResponse]:
    headers = urllib3.make_headers(basic_auth=stack.login)
    url = f"{stack.url}/system/logs?{query}&follow=true"
    return closing(urllib3.request("GET", url, headers=headers, preload_content=False, retries=False, timeout=30))


def trace_in(lines: Iterator[bytes]) -> str:
    trace_id: str = json.loads(json.loads(next(lines))["text"])["trace_id"]
    return trace_id[-2:]


def test_a_followed_log_continues_with_new_lines(stack: Stack) -> None:
    refuse_sign_in(stack, "c1")
    with followed(stack, "name=login&tail=1") as answer:
        lines = iter(answer)
        assert trace_in(lines) == "c1"
        refuse_sign_in(stack, "c2")
        assert trace_in(lines) == "c2"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 404),
        ("name=", 404),
        ("name=nothing", 404),
        ("name=../login", 404),
        ("name=login&tail=many", 400),
        ("name=login&tail=9999999999999", 400),
        ("name=login&tail=%D9%A1", 400),
        ("name=login&since=yesterday", 400),
        ("name=login&since=2026-01-01T00:00:00&follow=true", 400),
    ],
)
def test_an_invalid_log_request_is_refused(stack: Stack, query: str, status: int) -> None:
    assert system(stack, f"logs?{query}").status == status


def test_requests_beyond_the_follower_limit_end_immediately(start: Start) -> None:
    stack = start()
    refuse_sign_in(stack, "d1")
    with ExitStack() as following:
        logs = [iter(following.enter_context(followed(stack, "name=login"))) for _ in range(MAX_FOLLOWERS)]
        assert len(messages(stack, "name=login&follow=true")) == 1
        refuse_sign_in(stack, "d2")
        assert [(trace_in(lines), trace_in(lines)) for lines in logs] == [("d1", "d2")] * MAX_FOLLOWERS
