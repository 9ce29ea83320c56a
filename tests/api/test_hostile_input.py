"""Hostile requests: no function answers them with a server error."""

from __future__ import annotations

from dataclasses import replace

import pytest
from werkzeug.datastructures import Headers
from werkzeug.test import TestResponse

from soundlift.common.services import Services
from tests.api.hostile.addresses import length_requests, path_requests, query_requests
from tests.api.hostile.documents import BINARY_EVENT, event_requests, login_requests, session_requests
from tests.api.hostile.fields import header_requests, range_requests, token_requests
from tests.api.hostile.forms import form_requests
from tests.api.hostile.request import EVENT_FUNCTIONS, FUNCTIONS, MANY_DIGITS, NESTED, TOKEN_FUNCTIONS
from tests.factories.accounts import bearer
from tests.factories.jobs import ready_job
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call

pytestmark = pytest.mark.slow

CASES = [
    *login_requests(),
    *session_requests(),
    *(case for name in EVENT_FUNCTIONS for case in event_requests(name)),
    *query_requests(),
    *path_requests(),
    *header_requests(),
    *token_requests(),
    *range_requests(),
    *form_requests(),
    *length_requests(),
]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_hostile_input_is_never_a_server_error(function: Call, services: Services, name: str) -> None:
    services.settings = replace(services.settings, accept_bare_messages=True)
    client = function(name)
    ready = ready_job(services)
    failures = []
    for case in (request for request in CASES if request.function == name):
        headers = Headers(bearer(services)) if name in TOKEN_FUNCTIONS else Headers()
        if case.path == "/users":
            headers.update(bearer(services, "root@example.org", admin=True))
        headers.update(case.headers)
        query = case.query.replace("READY", str(ready.mp3_fid)) if isinstance(case.query, str) else case.query
        response = client.open(
            case.path.replace("READY", ready.id),
            method=case.method,
            query_string=query,
            headers=headers,
            data=case.body,
        )
        if failure := _failure(response):
            failures.append(f"{case.description}: {failure}")
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize(
    ("name", "headers", "body", "status"),
    [
        ("login", {}, NESTED, 400),
        ("login", {}, b'{"email": "ada@example.org", "password": "\\ud800"}', 400),
        ("login", {}, b'{"email": "\\ud800", "password": "correct horse"}', 400),
        ("login", {"Authorization": "Basic \xe9"}, b"", 401),
        *((name, BINARY_EVENT, b'{"job_id": "\\ud800"}', 400) for name in EVENT_FUNCTIONS),
        *((name, BINARY_EVENT, NESTED, 400) for name in EVENT_FUNCTIONS),
    ],
)
def test_unreadable_input_is_a_client_error(
    function: Call, name: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    assert_problem(function(name).post("/", headers=headers, data=body), status)


@pytest.mark.parametrize("query", [f"?wait={MANY_DIGITS}", f"?limit={MANY_DIGITS}", "?limit=٣"])
def test_a_number_with_too_many_digits_is_rejected(function: Call, services: Services, query: str) -> None:
    path = f"/{ready_job(services).id}" if "wait" in query else "/"
    assert_problem(function("jobs").get(path + query, headers=bearer(services)), 400)


def test_a_failed_precondition_is_answered_with_a_problem_document(function: Call, services: Services) -> None:
    headers = {**bearer(services), "If-Match": '"another"'}
    assert_problem(function("download").get(f"/?job={ready_job(services).id}", headers=headers), 412)


def _failure(response: TestResponse) -> str | None:
    if response.status_code >= 500:
        return response.status
    if response.status_code >= 400 and response.content_type != "application/problem+json":
        return f"{response.status}, {response.content_type}"
    return None
