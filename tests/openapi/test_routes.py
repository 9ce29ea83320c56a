"""The OpenAPI document describes every route of every function, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module

from soundlift.common.web.application import ANY_PATH, Function
from soundlift.common.web.request_log import HEALTH
from tests.deploy.platforms import PUBLIC, STACK
from tests.openapi.document import operations, read_document

ADDED_BY_FLASK = {"HEAD", "OPTIONS"}
PAGE = {"/web/", "/web/{file}", "/openapi.yaml", "/docs"}  # web reads the path itself


def app_of(function: str) -> Function:
    app: Function = import_module(f"functions.{function}.handler").app
    return app


def described_path(function: str, rule: str) -> str:
    """Return the path that the document has for a rule of a function."""
    if rule.startswith(HEALTH):
        return f"/{{function}}{rule}"
    rest = "" if rule in ("/", ANY_PATH) else re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)
    return f"/{function}{rest}"


def routes() -> Iterator[tuple[str, str]]:
    for function in STACK:
        for rule in app_of(function).url_map.iter_rules():
            for method in (rule.methods or set()) - ADDED_BY_FLASK:
                path = described_path(function, rule.rule)
                yield from ((method, each) for each in (PAGE if path == "/web" else [path]))


def test_every_route_is_described_and_every_described_route_exists() -> None:
    assert {(method, path) for method, path, _ in operations()} == set(routes())


def test_the_health_checks_are_described_for_every_public_function() -> None:
    function = read_document().root["components"]["parameters"]["Function"]
    assert set(function["schema"]["enum"]) == set(PUBLIC)


def test_functions_that_are_not_public_are_internal_and_need_the_login_of_the_gateway() -> None:
    for _, path, operation in operations():
        internal = path.split("/")[1] in set(STACK) - set(PUBLIC)
        assert operation.get("x-internal", False) == internal
        assert (operation["security"] == [{"gatewayLogin": []}]) == internal
