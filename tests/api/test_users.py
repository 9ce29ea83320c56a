"""login: the list of users and their usage, for admins only."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa

from soundlift.common.db.tables import users
from soundlift.common.jobs.limits import Limits
from soundlift.common.jobs.quota import Reservation
from soundlift.common.services import Services
from tests.factories.accounts import bearer
from tests.factories.jobs import MP4, claimed_job, notified_job, queued_job, ready_job, receiving_job
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call

ROOT = "root@example.org"


def admin(services: Services) -> dict[str, str]:
    return bearer(services, ROOT, admin=True)


def upload(services: Services) -> None:
    """Begin an upload as the function does, so that it counts."""
    reservation = Reservation(0, Limits.from_settings(services.settings))
    common = {"file_name": "a.mp4", "content_type": "", "traceparent": None}
    services.jobs.receive(username="ada@example.org", reservation=reservation, **common)


def test_an_admin_sees_each_user_with_their_usage_and_the_limits(function: Call, services: Services) -> None:
    queued_job(services)
    claimed_job(services)
    ready_job(services, mp3=b"12345")
    upload(services)
    services.limits.change("bob@example.org", {"minutes_per_day": 60, "jobs": 0})
    receiving_job(services, email="bob@example.org")
    notified_job(services, email=ROOT)
    services.users.disable("bob@example.org")
    response = function("login").get("/users", headers=admin(services))
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert response.json == {
        "users": [
            {
                "email": "ada@example.org",
                "admin": False,
                "disabled": False,
                "jobs_in_flight": 3,
                "stored_bytes": 3 * len(MP4) + 5,
                "uploads_in_hour": 1,
                "minutes_in_day": 3.1,
                "limits": {},
            },
            {
                "email": "bob@example.org",
                "admin": False,
                "disabled": True,
                "jobs_in_flight": 1,
                "stored_bytes": 0,
                "uploads_in_hour": 0,
                "minutes_in_day": 0.0,
                "limits": {"max_jobs_in_flight": 0, "max_minutes_per_day": 60},
            },
            {
                "email": ROOT,
                "admin": True,
                "disabled": False,
                "jobs_in_flight": 0,
                "stored_bytes": len(MP4) + 3,
                "uploads_in_hour": 0,
                "minutes_in_day": 3.1,
                "limits": {},
            },
        ],
        "limits": {
            "max_upload_bytes": 4 * 2**30,
            "max_jobs_in_flight": 20,
            "max_stored_bytes": 20 * 2**30,
            "max_uploads_per_hour": 0,
            "max_minutes_per_day": 0,
        },
        "links": {},
    }


def test_the_list_has_pages(function: Call, services: Services) -> None:
    services.settings = replace(services.settings, public_url="https://example.org/soundlift")
    found, query = [], {"limit": "2"}
    for _ in range(2):
        answer = function("login").get("/users", headers=admin(services), query_string=query).json
        found.append([user["email"] for user in answer["users"]])
        if "next" in answer["links"]:
            link = urlsplit(answer["links"]["next"])
            assert (link.netloc, link.path) == ("example.org", "/soundlift/login/users")
            query = {name: values[0] for name, values in parse_qs(link.query).items()}
    assert found == [["ada@example.org", "bob@example.org"], [ROOT]]
    assert answer["links"] == {}


def test_a_page_may_have_at_most_100_users(function: Call, services: Services) -> None:
    with services.database.write() as connection:
        rows = [{"email": f"user{number:03}@example.org", "password": "", "admin": False} for number in range(100)]
        connection.execute(users.insert(), rows)
    answer = function("login").get("/users?limit=9999", headers=admin(services)).json
    assert len(answer["users"]) == 100
    assert len(function("login").get("/users", headers=admin(services)).json["users"]) == 50


@pytest.mark.parametrize("query", ["limit=x", "limit=-1", "limit=", "limit=1e3", "limit=\u0663"])
def test_an_invalid_limit_is_refused(function: Call, services: Services, query: str) -> None:
    assert_problem(function("login").get(f"/users?{query}", headers=admin(services)), 400)


def test_other_users_may_not_see_the_list(function: Call, services: Services) -> None:
    assert_problem(function("login").get("/users", headers=bearer(services)), 403, "Forbidden", "forbidden")
    assert_problem(function("login").get("/users"), 401, "Not Authorized")


def test_a_token_of_someone_who_is_no_longer_an_admin_is_refused(function: Call, services: Services) -> None:
    with services.database.write() as connection:
        connection.execute(sa.update(users).where(users.c.email == ROOT).values(admin=False))
    assert_problem(function("login").get("/users", headers=admin(services)), 403)
    services.users.remove(ROOT)
    assert_problem(function("login").get("/users", headers=admin(services)), 403)


def test_no_password_is_in_the_list(function: Call, services: Services) -> None:
    assert "argon2" not in function("login").get("/users", headers=admin(services)).text
