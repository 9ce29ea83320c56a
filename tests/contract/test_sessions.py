"""Sessions: rotation by one of several concurrent callers, reuse, expiry, and what ends all sessions of a user."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from devservers.waiting import wait_for
from soundlift.common.auth import sessions as module
from soundlift.common.auth.refresh_tokens import RefreshToken
from soundlift.common.auth.sessions import GRACE_SECONDS, MAX_SESSIONS, Sessions
from soundlift.common.db.tables import sessions as table
from soundlift.common.db.tables import users
from soundlift.common.services import Services
from tests.factories.races import race
from tests.factories.sessions import ADA, age_sessions, begin_session, is_live, rotated

BOB = "bob@example.org"
ROUNDS = 10


def test_each_use_replaces_the_token_and_renews_the_session(services: Services) -> None:
    first = begin_session(services)
    age_sessions(services, services.settings.refresh_seconds - 60)
    second = rotated(services, first)
    age_sessions(services, services.settings.refresh_seconds - 60)
    third = rotated(services, second)
    assert len({first.text, second.text, third.text}) == 3
    assert is_live(services, third)


def test_a_token_used_again_within_the_grace_period_gets_the_same_successor(services: Services) -> None:
    first = begin_session(services)
    second = rotated(services, first)
    age_sessions(services, GRACE_SECONDS - 20)
    assert rotated(services, first) == second
    assert rotated(services, second)


def test_a_token_used_again_after_the_grace_period_ends_the_session(services: Services) -> None:
    first, other = begin_session(services), begin_session(services)
    second = rotated(services, first)
    age_sessions(services, GRACE_SECONDS + 1)
    with capture_logs() as logs:
        assert services.sessions.rotate(first, [second]) is None
    assert [(entry["log_level"], entry["user"]) for entry in logs] == [("warning", ADA)]
    assert services.sessions.rotate(second, services.tokens.successors(second)) is None
    assert rotated(services, other)


def test_a_token_used_again_after_its_successor_was_used_ends_the_session(services: Services) -> None:
    first = begin_session(services)
    second = rotated(services, first)
    third = rotated(services, second)
    assert services.sessions.rotate(first, [second]) is None
    assert services.sessions.rotate(third, services.tokens.successors(third)) is None


def test_a_guessed_secret_is_rejected(services: Services) -> None:
    token = begin_session(services)
    forged = replace(token, secret=RefreshToken.create().secret)
    assert services.sessions.rotate(forged, services.tokens.successors(forged)) is None
    unknown = RefreshToken.create()
    assert services.sessions.rotate(unknown, services.tokens.successors(unknown)) is None


def test_concurrent_uses_of_a_token_rotate_it_once(services: Services) -> None:
    for _ in range(ROUNDS):
        token = begin_session(services)
        successors = services.tokens.successors(token)
        steps = [lambda rival, token=token, successors=successors: rival.sessions.rotate(token, successors)] * 4
        assert race(services, steps) == [(ADA, successors[0])] * 4
        assert rotated(services, successors[0])


def test_replicas_that_sign_with_different_keys_agree_on_the_successor(services: Services) -> None:
    first = begin_session(services)
    by_one, by_other = (first.successor(key) for key in ("the one key", "the other key"))
    assert services.sessions.rotate(first, [by_one, by_other]) == (ADA, by_one)
    assert services.sessions.rotate(first, [by_other, by_one]) == (ADA, by_one)
    assert rotated(services, by_one)


class Overtaken(Sessions):
    """A caller that is overtaken by two uses of the session between reading its row and replacing the token."""

    def _find(self, token: RefreshToken) -> sa.Row[tuple[str, str, bool]] | None:
        row = super()._find(token)
        if overtake := self.__dict__.pop("overtake", None):
            overtake()
        return row


def test_a_late_use_never_brings_an_earlier_token_back(services: Services) -> None:
    first = begin_session(services)
    late = Overtaken(services.database, lifetime=services.settings.refresh_seconds)
    late.__dict__["overtake"] = lambda: rotated(services, rotated(services, first))
    assert late.rotate(first, services.tokens.successors(first)) is None
    assert not is_live(services, first)


def test_a_session_expires_a_while_after_its_last_use(services: Services) -> None:
    first = begin_session(services)
    second = rotated(services, first)
    age_sessions(services, services.settings.refresh_seconds + 1)
    with capture_logs() as logs:
        assert services.sessions.rotate(first, [second]) is None
        assert services.sessions.rotate(second, services.tokens.successors(second)) is None
    assert logs == []  # an expired token is no sign of a theft
    assert services.sessions.delete_expired() == 1
    assert not is_live(services, second)


def test_expired_sessions_are_deleted_in_batches(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DELETE_BATCH", 2)
    for _ in range(3):
        begin_session(services)
    assert services.sessions.delete_expired() == 0
    age_sessions(services, services.settings.refresh_seconds + 1)
    current = begin_session(services)
    assert [services.sessions.delete_expired() for _ in range(3)] == [2, 1, 0]
    assert is_live(services, current)


def test_signing_out_ends_one_session_whichever_of_its_tokens_is_used(services: Services) -> None:
    first, other = begin_session(services), begin_session(services)
    second = rotated(services, rotated(services, first))
    services.sessions.end(first)
    services.sessions.end(first)
    assert not is_live(services, second)
    assert rotated(services, other)


@pytest.mark.parametrize(
    "change",
    [
        lambda services: services.users.set_password(" Ada@example.org", "another hash"),
        lambda services: services.users.remove("ADA@example.org"),
        lambda services: services.sessions.end_all(ADA),
    ],
)
def test_a_new_password_a_removal_and_a_sign_out_end_all_sessions_of_one_user(
    services: Services, change: Callable[[Services], object]
) -> None:
    hers, his = [begin_session(services) for _ in range(3)], begin_session(services, BOB)
    change(services)
    assert not any(is_live(services, token) for token in hers)
    assert rotated(services, his)


def test_ending_all_sessions_returns_their_number(services: Services) -> None:
    assert services.sessions.end_all(ADA) == 0
    for _ in range(2):
        begin_session(services)
    assert services.sessions.end_all(ADA) == 2


def test_no_session_begins_for_an_account_that_was_disabled_in_the_meantime(services: Services) -> None:
    user = services.users.find(ADA)
    assert user is not None
    services.users.disable(ADA)
    assert services.sessions.begin(user) is None
    services.users.enable(ADA)
    assert services.sessions.begin(user) is not None


def test_no_session_begins_with_a_password_that_was_replaced_in_the_meantime(services: Services) -> None:
    user = services.users.find(ADA)
    assert user is not None
    services.users.set_password(ADA, "another hash")
    assert services.sessions.begin(user) is None
    services.users.remove(ADA)
    assert services.sessions.begin(replace(user, password="another hash")) is None


def test_a_sign_in_concurrent_with_a_password_change_never_leaves_a_session(services: Services) -> None:
    for number in range(ROUNDS):
        user = services.users.find(ADA)
        assert user is not None
        race(
            services,
            [
                lambda rival, user=user: rival.sessions.begin(user),
                lambda rival, number=number: rival.users.set_password(ADA, f"hash {number}"),
            ],
        )
        assert services.sessions.end_all(ADA) == 0


def test_a_sign_in_waits_for_a_password_change_in_progress(services: Services) -> None:
    user, rival = services.users.find(ADA), Services(services.settings)
    assert user is not None
    rival.users.find("warm the connection")
    with ThreadPoolExecutor() as pool:
        with services.database.write() as holder:
            holder.execute(sa.update(users).where(users.c.email == ADA).values(password="new"))
            start = holder.scalar(sa.select(module.now()))
            beginning = pool.submit(rival.sessions.begin, user)
            wait_for(lambda: holder.scalar(sa.select(module.now())) > start + 0.5, "half a second has passed")
            assert not beginning.done()
        assert beginning.result(timeout=30) is None
    rival.database.engine.dispose()


def test_a_user_has_a_limited_number_of_sessions_of_which_the_least_recently_used_end(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_SESSIONS == 100
    monkeypatch.setattr(module, "MAX_SESSIONS", 3)
    his = begin_session(services, BOB)
    tokens = []
    for _ in range(3):
        age_sessions(services, 10)
        tokens.append(begin_session(services))
    age_sessions(services, 10)
    tokens[0] = rotated(services, tokens[0])
    newest = begin_session(services)
    assert [is_live(services, token) for token in (*tokens, newest, his)] == [True, False, True, True, True]


def test_a_new_session_is_kept_even_if_all_others_last_longer(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_SESSIONS", 2)
    for _ in range(2):
        begin_session(services)
    age_sessions(services, -1000)
    assert is_live(services, begin_session(services))


def test_the_database_contains_no_token(services: Services) -> None:
    first = begin_session(services)
    second = rotated(services, first)
    with services.database.read() as connection:
        row = connection.execute(sa.select(table)).one()
    for token in (first, second):
        assert token.hash in row
        assert token.secret not in repr(row)
        assert token.secret not in repr(token)
