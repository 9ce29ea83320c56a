"""Each operation requires the one scope of an API key that the OpenAPI document declares, or accepts no key."""

from __future__ import annotations

import re
from typing import Any

import pytest

from functions.jobs import events
from soundlift.common.auth.scopes import MEANINGS, Scope
from soundlift.common.services import Services
from tests.factories.api_keys import by_key, new_key
from tests.fixtures.functions import Call
from tests.openapi.document import Node, operations, read_document, schema

ROOT = "root@example.org"
ANY_KEY = {"/validate"}
OPERATIONS = [(method, path, each) for method, path, each in operations() if {"accessToken": []} in each["security"]]


def declared(operation: Node) -> list[str] | None:
    """Return the scopes that a key must have for an operation, or None if it accepts no key."""
    ways = [way["apiKey"] for way in operation["security"] if "apiKey" in way]
    assert len(ways) <= 1
    return ways[0] if ways else None


def each_of(chosen: list[tuple[str, str, Node]]) -> pytest.MarkDecorator:
    """Return the mark that runs a test with each of these operations."""
    cases = [pytest.param(*each, id=each[2]["operationId"]) for each in chosen]
    return pytest.mark.parametrize(("method", "path", "operation"), cases)


def call(function: Call, method: str, path: str, scopes: set[Scope], services: Services) -> Any:
    """Call an operation with a key, and with ids that do not exist."""
    name, _, rest = path[1:].partition("/")
    headers = by_key(new_key(services, *scopes, email=ROOT))
    return function(name).open("/" + re.sub(r"\{\w+\}", "0" * 24, rest), method=method, headers=headers)


def test_every_operation_of_users_declares_one_scope_or_is_one_of_those_that_accept_no_key() -> None:
    assert len(OPERATIONS) >= 19
    for method, path, operation in OPERATIONS:
        scopes = declared(operation)
        if path in ANY_KEY:
            assert scopes == []
        elif path.startswith("/login/keys"):
            assert scopes is None
        else:
            assert scopes is not None, f"{method} {path} must declare the scope of an API key"
            assert len(scopes) == 1
            assert scopes[0] in set(Scope)
    others = [operation for _, _, operation in operations() if operation not in [each for _, _, each in OPERATIONS]]
    assert not [each["operationId"] for each in others if declared(each) is not None]


@each_of([each for each in OPERATIONS if declared(each[2]) != []])
def test_an_operation_refuses_every_key_without_its_scope(
    function: Call, services: Services, method: str, path: str, operation: Node
) -> None:
    required = set(map(Scope, declared(operation) or ()))
    response = call(function, method, path, set(Scope) - required, services)
    assert response.status_code == 403, response.text
    assert response.json["code"] == "insufficient_scope"
    expected = [f'scope="{scope}"' for scope in required]
    assert re.findall(r'scope="[^"]*"', response.headers["WWW-Authenticate"]) == expected
    assert 'error="insufficient_scope"' in response.headers["WWW-Authenticate"]
    assert "insufficient_scope" in str(read_document().resolve(operation["responses"]["403"]))


@each_of([each for each in OPERATIONS if declared(each[2]) is not None])
def test_an_operation_accepts_a_key_that_has_only_its_scope(
    function: Call, services: Services, monkeypatch: pytest.MonkeyPatch, method: str, path: str, operation: Node
) -> None:
    monkeypatch.setattr(events, "STREAM_SECONDS", 0)
    response = call(function, method, path, set(map(Scope, declared(operation) or ())) or {Scope.HOOKS}, services)
    assert response.status_code not in (401, 403), response.text


def test_the_document_names_the_scopes_of_the_code() -> None:
    assert schema("Scope")["enum"] == list(Scope) == list(MEANINGS)
    described = read_document().root["components"]["securitySchemes"]["apiKey"]["description"]
    assert all(f"`{scope}`" in described for scope in Scope)
