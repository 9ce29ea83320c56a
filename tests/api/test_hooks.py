"""hooks: the webhooks of a user, each with a secret that is shown once; other users' do not exist."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from soundlift.common.auth.attempts import Policy
from soundlift.common.events import DELIVERY_DUE
from soundlift.common.services import Services
from soundlift.common.webhooks.model import Endpoint, EndpointState, Failure
from soundlift.common.webhooks.send_limits import REPLAYS, TESTS
from tests.factories.accounts import bearer
from tests.factories.attempts import age_attempts, set_attempts
from tests.factories.jobs import job_now, ready_job
from tests.factories.problems import assert_problem
from tests.factories.publishers import RecordingPublisher
from tests.factories.webhooks import claimed_delivery, deliveries, endpoint, endpoint_now, only_delivery
from tests.fixtures.functions import Call

URL = "https://hooks.example.org/soundlift"
UNKNOWN = "f" * 24
ADA, BOB = "ada@example.org", "bob@example.org"


@pytest.fixture
def publisher(services: Services) -> RecordingPublisher:
    services.publisher = RecordingPublisher()
    return services.publisher


@pytest.fixture
def hooks(function: Call, publisher: RecordingPublisher) -> FlaskClient:
    return function("hooks")


def ask(hooks: FlaskClient, services: Services, method: str, path: str, body: Any = None) -> Any:
    return hooks.open(path, method=method, json=body, headers=bearer(services))


def test_a_webhook_is_added_with_a_secret_that_is_shown_once(hooks: FlaskClient, services: Services) -> None:
    added = ask(hooks, services, "POST", "/", {"url": "HTTPS://Hooks.Example.org"})
    assert added.status_code == 201
    assert added.headers["Cache-Control"] == "no-store"
    document = added.json
    secret = document.pop("secret")
    assert secret.startswith("whsec_")
    assert added.headers["Location"] == document["links"]["self"] == f"http://127.0.0.1:8080/hooks/{document['id']}"
    assert (document["url"], document["state"], document["all_jobs"]) == ("https://hooks.example.org/", "active", True)
    shown = ask(hooks, services, "GET", f"/{document['id']}")
    listed = ask(hooks, services, "GET", "/")
    assert shown.json == listed.json["webhooks"][0] == document
    assert secret not in shown.text + listed.text


@pytest.mark.parametrize(
    "body",
    [
        {"url": "ftp://example.org/"},
        {"url": "https://user:secret@example.org/"},
        {"url": "https://example.org:22/"},
        {"url": "http://127.0.0.1/"},
        {"url": "https://[::1]/"},
        {"url": "https://169.254.169.254/latest"},
        {"url": f"https://example.org/{'a' * 2048}"},
        {"url": 7},
        {},
        [],
        {"url": URL, "all_jobs": "yes"},
        {"url": URL, "secret": "mine"},
    ],
)
def test_a_malformed_webhook_is_refused(hooks: FlaskClient, services: Services, body: object) -> None:
    assert_problem(ask(hooks, services, "POST", "/", body), 400, code="bad_request")


def test_a_user_has_each_url_once_and_a_limited_number(hooks: FlaskClient, services: Services) -> None:
    services.settings = replace(services.settings, max_webhooks=2)
    first, _ = endpoint(services, URL), endpoint(services, URL, "bob@example.org")
    assert_problem(ask(hooks, services, "POST", "/", {"url": URL}), 409, code="webhook_exists")
    second = ask(hooks, services, "POST", "/", {"url": f"{URL}/2"}).json["id"]
    assert_problem(ask(hooks, services, "POST", "/", {"url": f"{URL}/3"}), 409, code="too_many_webhooks")
    assert_problem(ask(hooks, services, "PATCH", f"/{second}", {"url": URL}), 409, code="webhook_exists")
    assert ask(hooks, services, "DELETE", f"/{first.id}").status_code == 204
    assert ask(hooks, services, "POST", "/", {"url": URL}).status_code == 201


def test_webhooks_of_other_users_do_not_exist_even_for_an_admin(hooks: FlaskClient, services: Services) -> None:
    foreign = endpoint(services, URL, "bob@example.org")
    delivery = ready_job(services, email="bob@example.org") and only_delivery(services, foreign)
    path = f"/{foreign.id}"
    requests = [("GET", path), ("PATCH", path), ("DELETE", path), ("POST", f"{path}/secret"), ("POST", f"{path}/test")]
    requests += [("GET", f"{path}/deliveries"), ("POST", f"{path}/deliveries/{delivery.id}/replay")]
    root = bearer(services, "root@example.org", admin=True)
    for method, address in requests:
        for headers in (bearer(services), root):
            assert_problem(hooks.open(address, method=method, json={}, headers=headers), 404, code="not_found")
        assert_problem(hooks.open(address, method=method, json={}), 401)
    assert endpoint_now(services, foreign) == foreign


def test_a_webhook_is_changed_disabled_and_enabled(hooks: FlaskClient, services: Services) -> None:
    added = endpoint(services, URL)
    changed = ask(hooks, services, "PATCH", f"/{added.id}", {"url": f"{URL}/new", "all_jobs": False}).json
    assert (changed["url"], changed["all_jobs"], changed["state"]) == (f"{URL}/new", False, "active")
    disabled = ask(hooks, services, "PATCH", f"/{added.id}", {"enabled": False}).json
    assert (disabled["state"], disabled["detail"]) == ("disabled", "You have disabled it.")
    assert disabled["url"] == f"{URL}/new"
    assert_problem(ask(hooks, services, "POST", f"/{added.id}/test"), 409, code="webhook_disabled")
    enabled = ask(hooks, services, "PATCH", f"/{added.id}", {"enabled": True}).json
    assert (enabled["state"], enabled["detail"]) == ("active", None)
    assert endpoint_now(services, added).secret == added.secret


def test_a_new_secret_is_shown_once_and_the_previous_one_signs_for_a_day(
    hooks: FlaskClient, services: Services
) -> None:
    added = endpoint(services, URL)
    rotated = ask(hooks, services, "POST", f"/{added.id}/secret")
    assert rotated.headers["Cache-Control"] == "no-store"
    now = endpoint_now(services, added)
    assert (now.secret, now.previous_secret) == (rotated.json["secret"], added.secret)
    assert rotated.json["previous_secret_until"]
    assert now.secret not in ask(hooks, services, "GET", f"/{added.id}").text


def test_deliveries_are_listed_in_pages_the_newest_first(hooks: FlaskClient, services: Services) -> None:
    added = endpoint(services, URL)
    made = [ready_job(services).id for _ in range(3)]
    first = ask(hooks, services, "GET", f"/{added.id}/deliveries?limit=2").json
    assert [one["job_id"] for one in first["deliveries"]] == [made[2], made[1]]
    assert {one["status"] for one in first["deliveries"]} == {"pending"}
    following = first["links"]["next"].removeprefix("http://127.0.0.1:8080/hooks")
    last = ask(hooks, services, "GET", following).json
    assert ([one["job_id"] for one in last["deliveries"]], last["links"]) == ([made[0]], {})
    assert ask(hooks, services, "GET", f"/{added.id}/deliveries?after={UNKNOWN}").json["deliveries"] == []
    assert_problem(ask(hooks, services, "GET", f"/{added.id}/deliveries?limit=many"), 400)


def test_a_delivery_that_was_given_up_is_sent_again(
    hooks: FlaskClient, services: Services, publisher: RecordingPublisher
) -> None:
    added, job = endpoint(services, URL), ready_job(services)
    delivery = only_delivery(services, added)
    address = f"/{added.id}/deliveries/{delivery.id}/replay"
    assert_problem(ask(hooks, services, "POST", address), 409, code="delivery_pending")
    claim = claimed_delivery(services, delivery)
    assert services.deliveries.give_up(claim, Failure("No.", 500), endpoint_state=EndpointState.FAILING)
    version = job_now(services, job.id).updated_at
    replayed = ask(hooks, services, "POST", address)
    assert replayed.status_code == 202
    assert (replayed.json["id"], replayed.json["status"], replayed.json["attempts"]) == (delivery.id, "pending", 0)
    assert job_now(services, job.id).updated_at > version
    (event,) = publisher.events
    assert (event.get_type(), event.get_data()) == (DELIVERY_DUE, {"delivery_id": delivery.id})
    unknown = ask(hooks, services, "POST", f"/{added.id}/deliveries/{UNKNOWN}/replay")
    assert_problem(unknown, 404, code="not_found")


def test_a_test_is_sent_even_without_a_broker_and_only_one_at_a_time(
    hooks: FlaskClient, services: Services, publisher: RecordingPublisher
) -> None:
    added = endpoint(services, URL)
    publisher.refuses = True
    started = ask(hooks, services, "POST", f"/{added.id}/test")
    assert (started.status_code, started.json["type"], started.json["job_id"]) == (202, "webhook.test", None)
    assert [due.id for due in services.deliveries.due()] == [started.json["id"]]
    assert_problem(ask(hooks, services, "POST", f"/{added.id}/test"), 409, code="delivery_pending")


@pytest.mark.parametrize(("policy", "what"), [(TESTS, "test"), (REPLAYS, "replay")])
def test_a_user_sends_a_limited_number_of_tests_and_replays_to_all_webhooks_together(
    hooks: FlaskClient, services: Services, publisher: RecordingPublisher, policy: Policy, what: str
) -> None:
    first, other, foreign = endpoint(services, URL), endpoint(services, f"{URL}/2"), endpoint(services, URL, BOB)
    ready_job(services), ready_job(services, email=BOB)

    def send(to: Endpoint, user: str = ADA) -> Any:
        last = deliveries(services, to)[0]
        path = "test" if what == "test" else f"deliveries/{last.id}/replay"
        if claim := services.deliveries.claim_one(last.id):
            assert services.deliveries.mark_delivered(claim, status=200)
        return hooks.post(f"/{to.id}/{path}", headers=bearer(services, user))

    assert send(first).status_code == 202
    set_attempts(services, policy.free - 1)
    assert send(first).status_code == 202
    refused = send(other)
    assert_problem(refused, 429, code="too_many_attempts")
    assert 0 < int(refused.headers["Retry-After"]) <= policy.first_lock_seconds
    assert len(publisher.events) == 2
    assert deliveries(services, other)[0].due_at is None
    assert send(foreign, BOB).status_code == 202
    age_attempts(services, policy.first_lock_seconds)
    assert send(other).status_code == 202


def test_a_test_that_is_refused_because_of_another_one_is_not_counted(
    hooks: FlaskClient, services: Services, publisher: RecordingPublisher
) -> None:
    added = endpoint(services, URL)
    assert ask(hooks, services, "POST", f"/{added.id}/test").status_code == 202
    for _ in range(TESTS.free):
        assert_problem(ask(hooks, services, "POST", f"/{added.id}/test"), 409, code="delivery_pending")


def test_a_removed_webhook_gets_nothing_more(hooks: FlaskClient, services: Services) -> None:
    added, _ = endpoint(services, URL), ready_job(services)
    assert ask(hooks, services, "DELETE", f"/{added.id}").status_code == 204
    assert deliveries(services, added) == []
    assert services.deliveries.due() == []
    assert_problem(ask(hooks, services, "GET", f"/{added.id}"), 404)
