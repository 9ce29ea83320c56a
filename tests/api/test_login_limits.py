"""login under attack: locks, their answer, and which passwords are refused before anything is counted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import argon2
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from functions.login.failure_time import FIRST_SECONDS, MAX_SECONDS, FailureTime
from soundlift.common.auth.passwords import Match, Passwords
from soundlift.common.errors import Busy, DatabaseUnavailable, SoundliftError
from soundlift.common.services import Services
from tests.factories.accounts import PASSWORD
from tests.factories.attempts import age_attempts, count_rows
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call

ADA, NOBODY = "ada@example.org", "nobody@example.org"
HOME, STRANGE = "192.0.2.7", "198.51.100.7"
FREE = 2
LOCK_SECONDS = 100


@pytest.fixture
def login(function: Call, services: Services) -> Iterator[FlaskClient]:
    settings = {"sign_in_failures": FREE, "password_memory_kib": 7168, "password_passes": 1}
    services.settings = replace(services.settings, **settings)
    services.users.set_password(ADA, services.passwords.hash(PASSWORD))
    return function("login")


def sign_in(login: FlaskClient, email: str, password: str = PASSWORD, address: str = STRANGE) -> TestResponse:
    return login.post("/", auth=(email, password), headers={"X-Forwarded-For": address})


def fail(login: FlaskClient, email: str, times: int = FREE) -> None:
    for _ in range(times):
        assert_problem(sign_in(login, email, "wrong password"), 401, code="invalid_credentials")


def lock(login: FlaskClient, services: Services) -> None:
    """Lock Ada's account, for so long that a busy machine does not see the end of the lock."""
    fail(login, ADA)
    age_attempts(services, -LOCK_SECONDS)
    assert sign_in(login, ADA).status_code == 429


def test_a_locked_account_gets_the_same_answer_whether_it_exists_or_not_and_whatever_the_password(
    login: FlaskClient, services: Services
) -> None:
    answers = []
    for email in (ADA, NOBODY):
        fail(login, email)
        age_attempts(services, -LOCK_SECONDS)
        answers += [sign_in(login, email, password) for password in (PASSWORD, "wrong password")]
    for answer in answers:
        assert_problem(answer, 429, "Too Many Attempts", "too_many_attempts")
        assert answer.json == answers[0].json
        assert 60 < int(answer.headers["Retry-After"]) <= 201
        assert answer.headers["Cache-Control"] == "no-store"
        assert "WWW-Authenticate" not in answer.headers
    assert answers[0].json["detail"] == "Too many sign-ins have failed or are in progress. Try again in 2 minutes."


def test_the_user_signs_in_when_the_lock_is_over_and_starts_anew(login: FlaskClient, services: Services) -> None:
    lock(login, services)
    age_attempts(services, LOCK_SECONDS + 1)
    fail(login, ADA, 1)
    age_attempts(services, 2)
    assert sign_in(login, ADA).status_code == 200
    fail(login, ADA)


def test_the_user_signs_in_from_a_known_network_while_strangers_have_locked_the_account(
    login: FlaskClient, services: Services
) -> None:
    assert sign_in(login, ADA, address=HOME).status_code == 200
    lock(login, services)
    assert sign_in(login, ADA, address=HOME).status_code == 200


def test_a_session_continues_while_its_account_is_locked(login: FlaskClient, services: Services) -> None:
    credentials = {"email": ADA, "password": PASSWORD, "refresh": "token"}
    token = login.post("/", json=credentials).json["refresh_token"]
    lock(login, services)
    assert login.post("/refresh", json={"refresh_token": token}).status_code == 200


def test_a_locked_sign_in_hashes_nothing(
    login: FlaskClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock(login, services)
    monkeypatch.setattr(Passwords, "verify", None)
    assert sign_in(login, ADA).status_code == 429


def test_a_sign_in_is_counted_before_its_password_is_checked(
    login: FlaskClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = []
    monkeypatch.setattr(Passwords, "verify", lambda *_: rows.append(count_rows(services)) or Match.NONE)
    fail(login, NOBODY, 1)
    assert rows == [2]  # the network and the account


@pytest.mark.parametrize("error", [Busy("Busy.", retry_after=1), DatabaseUnavailable("It does not answer.")])
def test_a_sign_in_that_cannot_be_checked_is_not_counted(
    login: FlaskClient, services: Services, monkeypatch: pytest.MonkeyPatch, error: SoundliftError
) -> None:
    def fail_to_verify(*_: object) -> Match:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Passwords, "verify", fail_to_verify)
        for _ in range(2 * FREE):
            assert_problem(sign_in(login, ADA), error.status, code=error.code)
    assert count_rows(services) == 0
    assert sign_in(login, ADA).status_code == 200


@pytest.mark.parametrize("wrong", ["a\0b", "x" * 1025, "é" * 513, "\ufdfa" * 100, "\u0301" * 2100])
def test_what_cannot_be_a_password_is_refused_with_the_rule_and_not_counted(
    login: FlaskClient, services: Services, wrong: str
) -> None:
    for answer in (sign_in(login, ADA, wrong), login.post("/", json={"email": NOBODY, "password": wrong})):
        assert_problem(answer, 400, code="bad_password")
        assert ("NUL" if "\0" in wrong else "at most 1024 bytes") in answer.json["detail"]
    assert count_rows(services) == 0


@pytest.mark.parametrize("password", ["x" * 1024, "é" * 512, "\U0001f600" * 256])
def test_a_password_of_1024_bytes_can_be_used_by_basic_and_as_json(
    login: FlaskClient, services: Services, password: str
) -> None:
    services.users.set_password(ADA, services.passwords.hash_new(password))
    assert sign_in(login, ADA, password).status_code == 200
    assert login.post("/", json={"email": ADA, "password": password}).status_code == 200


def test_a_password_is_the_same_however_its_characters_are_composed(login: FlaskClient, services: Services) -> None:
    services.users.set_password(ADA, services.passwords.hash_new("cafe\u0301 \u2460 \ufb01n"))
    for same in ("café 1 fin", "cafe\u0301 1 fin", "ｃａｆé １ ｆｉｎ"):
        assert sign_in(login, ADA, same).status_code == 200
    assert sign_in(login, ADA, "cafe 1 fin").status_code == 401


def test_a_hash_of_a_password_as_it_was_typed_still_matches_and_is_replaced(
    login: FlaskClient, services: Services
) -> None:
    typed = "\ufb01sh and chips"
    services.users.set_password(ADA, argon2.PasswordHasher(1, 7168, 1).hash(typed))
    assert sign_in(login, ADA, typed).status_code == 200
    assert sign_in(login, ADA, "fish and chips").status_code == 200
    assert sign_in(login, ADA, "other chips").status_code == 401


def test_a_sign_in_replaces_a_hash_of_other_parameters_and_begins_a_session(
    login: FlaskClient, services: Services
) -> None:
    old = Passwords(replace(services.settings, password_memory_kib=8192)).hash(PASSWORD)
    services.users.set_password(ADA, old)
    fail(login, ADA, 1)
    assert _hash_of_ada(services) == old
    answer = login.post("/", json={"email": ADA, "password": PASSWORD, "refresh": "token"})
    assert answer.status_code == 200
    new = _hash_of_ada(services)
    assert argon2.extract_parameters(new).memory_cost == 7168
    assert services.passwords.verify(PASSWORD, new) is Match.CURRENT
    assert login.post("/refresh", json={"refresh_token": answer.json["refresh_token"]}).status_code == 200
    assert sign_in(login, ADA).status_code == 200
    assert _hash_of_ada(services) == new


@pytest.mark.parametrize(("meanwhile", "status"), [(PASSWORD, 200), ("another password", 401)])
def test_a_sign_in_finds_that_another_has_replaced_the_hash_or_the_password(
    login: FlaskClient, services: Services, monkeypatch: pytest.MonkeyPatch, meanwhile: str, status: int
) -> None:
    services.users.set_password(ADA, Passwords(replace(services.settings, password_memory_kib=8192)).hash(PASSWORD))
    newest = services.passwords.hash(meanwhile)
    replace_hash = services.users.replace_hash

    def overtaken(*arguments: object) -> bool:
        services.users.set_password(ADA, newest)
        return replace_hash(*arguments)

    monkeypatch.setattr(services.users, "replace_hash", overtaken)
    answer = login.post("/", json={"email": ADA, "password": PASSWORD, "refresh": "token"})
    assert answer.status_code == status
    assert _hash_of_ada(services) == newest


def test_a_hash_that_cannot_be_replaced_now_does_not_fail_the_sign_in(
    login: FlaskClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = Passwords(replace(services.settings, password_memory_kib=8192)).hash(PASSWORD)
    services.users.set_password(ADA, old)

    def busy(*_: object) -> str:
        raise Busy("Busy.", retry_after=1)

    monkeypatch.setattr(Passwords, "hash", busy)
    assert sign_in(login, ADA).status_code == 200
    assert _hash_of_ada(services) == old


def test_a_failure_without_a_hash_waits_as_long_as_those_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, slept = [100.0], []
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", slept.append)
    times = FailureTime()
    times.wait(clock[0])
    for seconds in (0.03, 0.2, 0.05):
        times.record(clock[0] - seconds)
    times.wait(clock[0] - 0.01)
    times.wait(clock[0] - 0.06)
    for _ in range(100):
        times.record(clock[0] - 60)
    times.wait(clock[0])
    assert slept == pytest.approx([FIRST_SECONDS, 0.04, 0, MAX_SECONDS])


def _hash_of_ada(services: Services) -> str:
    user = services.users.find(ADA)
    assert user is not None
    return user.password


def test_a_failure_whose_hash_is_cheaper_than_new_ones_waits(
    login: FlaskClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(FailureTime, "wait", lambda _, began: waited.append(began))
    fail(login, ADA, 1)
    fail(login, NOBODY, 1)
    assert waited == []
    for hashed in (Passwords(replace(services.settings, password_memory_kib=8192)).hash(PASSWORD), "no hash"):
        services.users.set_password(ADA, hashed)
        age_attempts(services, 2 * 24 * 3600)
        fail(login, ADA, 1)
    assert len(waited) == 2
