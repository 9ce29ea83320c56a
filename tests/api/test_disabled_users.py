"""login: a disabled user can neither sign in nor continue a session."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from soundlift.common.services import Services
from tests.api.test_sign_up import may_sign_in, without_date
from tests.factories.accounts import PASSWORD
from tests.factories.problems import assert_problem
from tests.factories.sessions import ADA, begin_session
from tests.fixtures.functions import Call


@pytest.fixture
def login(function: Call) -> FlaskClient:
    return function("login")


def test_a_disabled_user_gets_the_same_answer_as_for_a_wrong_password(login: FlaskClient, services: Services) -> None:
    session = begin_session(services)
    wrong = login.post("/", json={"email": ADA, "password": "wrong"})
    services.users.disable(ADA)
    disabled = login.post("/", json={"email": ADA, "password": PASSWORD})
    assert without_date(disabled) == without_date(wrong)
    assert_problem(login.post("/refresh", json={"refresh_token": session.text}), 401)
    services.users.enable(ADA)
    assert may_sign_in(login, ADA, PASSWORD)


def test_a_session_of_a_user_whom_an_older_release_did_not_sign_out_cannot_be_refreshed(
    login: FlaskClient, services: Services
) -> None:
    session = begin_session(services)
    with services.database.write() as connection:
        connection.execute(sa.text("UPDATE user SET disabled = 1 WHERE email = 'ada@example.org'"))
    assert_problem(login.post("/refresh", json={"refresh_token": session.text}), 401)


def test_a_disabled_admin_cannot_list_the_users(login: FlaskClient, services: Services) -> None:
    token = services.tokens.sign_in("root@example.org", admin=True)
    services.users.disable("root@example.org")
    assert_problem(login.get("/users", headers={"Authorization": f"Bearer {token}"}), 403)
