"""login: a user makes, lists and revokes API keys, and every function accepts them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from soundlift.common.auth.api_keys import ApiKey
from soundlift.common.auth.scopes import Scope
from soundlift.common.services import Services
from tests.api.test_sign_up import without_date
from tests.factories.accounts import bearer
from tests.factories.api_keys import by_key, key_id, new_key, revoke
from tests.factories.jobs import MP4, ready_job
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call

BOB, ROOT = "bob@example.org", "root@example.org"
WANTED = {"name": "nightly", "scopes": ["upload"]}


@pytest.fixture
def login(function: Call) -> FlaskClient:
    return function("login")


def test_a_user_makes_a_key_which_is_shown_once_and_revokes_it(function: Call, services: Services) -> None:
    login, validate = function("login"), function("validate")
    wanted = {"name": " nightly ", "scopes": ["jobs:read", "upload", "upload"], "expires_in": 3600}
    made = login.post("/keys", json=wanted, headers=bearer(services))
    assert (made.status_code, made.headers["Cache-Control"]) == (201, "no-store")
    document = made.json
    key = document.pop("key")
    assert (document["name"], document["scopes"]) == ("nightly", ["upload", "jobs:read"])
    assert login.get("/keys", headers=bearer(services)).json == {"keys": [document]}
    assert login.get("/keys", headers=bearer(services, BOB)).json == {"keys": []}
    headers = {"Authorization": f"bearer  {key}"}
    assert validate.get("/", headers=headers).status_code == 200
    assert_problem(login.delete(f"/keys/{document['id']}", headers=bearer(services, BOB)), 404)
    for _ in range(2):
        assert login.delete(f"/keys/{document['id']}", headers=bearer(services)).status_code == 204
    assert_problem(validate.get("/", headers=headers), 401)
    (listed,) = login.get("/keys", headers=bearer(services)).json["keys"]
    assert listed["state"] == "revoked"
    assert listed["last_used_at"] is not None


@pytest.mark.parametrize("wrong", ["0" * 24, "x", "%00", "5D2F8A0C9B1E4F6A7C3D8E21"])
def test_an_unknown_id_is_answered_404(login: FlaskClient, services: Services, wrong: str) -> None:
    assert_problem(login.delete(f"/keys/{wrong}", headers=bearer(services)), 404)


@pytest.mark.parametrize(
    "changes",
    [
        *({"name": name} for name in (None, "", " ", 7, "x" * 101, "a\nb", "\u202eevil")),
        *({"scopes": scopes} for scopes in (None, [], "upload", ["Upload"], [1], [[]], ["upload"] * 7)),
        *({"expires_in": seconds} for seconds in (0, -1, 1.5, True, "60", 10**9, 10**30)),
    ],
)
def test_a_key_that_cannot_be_made_is_refused(login: FlaskClient, services: Services, changes: dict[str, Any]) -> None:
    assert_problem(login.post("/keys", json={**WANTED, **changes}, headers=bearer(services)), 400)
    assert services.api_keys.list("ada@example.org") == []


def test_a_body_that_is_no_object_is_refused(login: FlaskClient, services: Services) -> None:
    assert_problem(login.post("/keys", data=b"[]", headers=bearer(services)), 400)


def test_only_an_admin_makes_a_key_of_an_admin(login: FlaskClient, services: Services) -> None:
    wanted = {"name": "all", "scopes": ["admin"]}
    assert_problem(login.post("/keys", json=wanted, headers=bearer(services)), 403, code="forbidden")
    forged = bearer(services, admin=True)  # of somebody who is no admin any more
    assert_problem(login.post("/keys", json=wanted, headers=forged), 403, code="forbidden")
    assert login.post("/keys", json=wanted, headers=bearer(services, ROOT, admin=True)).status_code == 201


def test_a_key_makes_no_key_whatever_its_scopes(login: FlaskClient, services: Services) -> None:
    key = new_key(services, *Scope, email=ROOT)
    for refused in (
        login.post("/keys", json=WANTED, headers=by_key(key)),
        login.get("/keys", headers=by_key(key)),
        login.delete(f"/keys/{key_id(services, key)}", headers=by_key(key)),
    ):
        assert_problem(refused, 403, "Insufficient Scope", "insufficient_scope")
        assert refused.headers["WWW-Authenticate"] == 'Bearer realm="soundlift", error="insufficient_scope"'
    assert services.api_keys.use(key)


def test_every_key_that_does_not_work_gets_the_same_answer(function: Call, services: Services) -> None:
    revoked, disabled = new_key(services), new_key(services, email=BOB)
    revoke(services, revoked)
    services.users.disable(BOB)
    jobs = function("jobs")
    answers = [jobs.get("/", headers=by_key(key)) for key in (revoked, disabled, ApiKey.create(), ApiKey("slk_typo"))]
    assert_problem(answers[0], 401, "Not Authorized", "not_authorized")
    for answer in answers[1:]:
        assert without_date(answer) == without_date(answers[0])


def test_only_a_key_with_a_correct_checksum_and_no_access_token_needs_the_database(
    function: Call, services: Services
) -> None:
    unreachable = replace(services.settings, database_url="mysql://nobody@127.0.0.1:9/nothing")
    validate = function("validate")
    validate.application.services = Services(unreachable)  # type: ignore[attr-defined]  # a Function
    assert validate.get("/", headers=bearer(services)).status_code == 200
    assert_problem(validate.get("/", headers={"Authorization": "Bearer slk_typo"}), 401)
    assert_problem(validate.get("/", headers=by_key(ApiKey.create())), 503)


def test_validate_describes_a_key_and_its_user(function: Call, services: Services) -> None:
    key = new_key(services, Scope.UPLOAD, Scope.HOOKS, email=ROOT)
    response = function("validate").get("/", headers=by_key(key))
    claims = {"username": ROOT, "admin": False, "name": "a program", "scopes": ["upload", "hooks"]}
    assert response.json == {"status": "OK", "claims": claims}
    assert (response.headers["X-Auth-Username"], response.headers["X-Auth-Admin"]) == (ROOT, "false")
    admins = new_key(services, Scope.ADMIN, email=ROOT)
    assert function("validate").post("/", headers=by_key(admins)).headers["X-Auth-Admin"] == "true"


def test_a_program_uploads_follows_and_downloads_with_keys(function: Call, services: Services) -> None:
    uploads, reads = new_key(services, Scope.UPLOAD), new_key(services, Scope.JOBS_READ, Scope.DOWNLOAD)
    sent = function("upload").post("/", data=MP4, headers={**by_key(uploads), "X-Filename": "a.mp4"})
    assert sent.status_code == 202
    assert sent.json["username"] == "ada@example.org"
    assert_problem(function("jobs").get(f"/{sent.json['job_id']}", headers=by_key(uploads)), 403)
    assert function("jobs").get(f"/{sent.json['job_id']}", headers=by_key(reads)).json["job_id"] == sent.json["job_id"]
    job = ready_job(services)
    assert function("download").get(f"/?job={job.id}", headers=by_key(reads)).status_code == 200
    assert_problem(function("jobs").delete(f"/{job.id}", headers=by_key(reads)), 403)


def test_an_admin_sees_other_users_only_with_a_key_that_has_the_scope_admin(function: Call, services: Services) -> None:
    job, jobs = ready_job(services), function("jobs")
    ordinary, admins = (
        by_key(new_key(services, *scopes, email=ROOT))
        for scopes in ([Scope.JOBS_READ, Scope.DOWNLOAD], [Scope.JOBS_READ, Scope.DOWNLOAD, Scope.ADMIN])
    )
    assert_problem(jobs.get(f"/{job.id}", headers=ordinary), 404)
    assert_problem(jobs.get("/?user=ada@example.org", headers=ordinary), 403, code="forbidden")
    assert_problem(function("download").get(f"/?fid={job.mp3_fid}", headers=ordinary), 404)
    assert jobs.get("/", headers=ordinary).json["jobs"] == []
    assert jobs.get(f"/{job.id}", headers=admins).status_code == 200
    assert function("download").get(f"/?fid={job.mp3_fid}", headers=admins).status_code == 200
    assert [each["job_id"] for each in jobs.get("/", headers=admins).json["jobs"]] == [job.id]
    assert_problem(function("login").get("/users", headers=ordinary), 403, code="insufficient_scope")
    assert function("login").get("/users", headers=admins).status_code == 200


def test_a_key_whose_use_cannot_be_recorded_works(function: Call, services: Services) -> None:
    key = new_key(services)
    with services.database.read() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")
    assert function("jobs").get("/", headers=by_key(key)).status_code == 200
    with services.database.read() as connection:
        connection.exec_driver_sql("PRAGMA query_only = OFF")
    assert services.api_keys.list("ada@example.org")[0].last_used_at is None


def test_a_key_is_in_no_log_line(function: Call, services: Services, capsys: pytest.CaptureFixture[str]) -> None:
    login, jobs = function("login"), function("jobs")
    text = login.post("/keys", json=WANTED, headers=bearer(services)).json["key"]
    jobs.get("/", headers={"Authorization": f"Bearer {text}"})
    jobs.get("/", headers={"Authorization": f"Bearer {text}x"})
    written = capsys.readouterr()
    assert text[8:] not in written.out + written.err
