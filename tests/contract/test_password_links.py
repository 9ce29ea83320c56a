"""Links for choosing a password: used once, replaced by newer ones, and ended by every change of the account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa

from soundlift.common.auth import password_links as module
from soundlift.common.auth.opaque_tokens import OpaqueToken
from soundlift.common.auth.password_links import CLAIM_SECONDS, GIVE_UP_SECONDS, MIN_RESEND_SECONDS, Purpose
from soundlift.common.auth.users import User, Users
from soundlift.common.db.tables import password_links as table
from soundlift.common.db.tables import users as accounts
from soundlift.common.errors import InvalidLink
from soundlift.common.services import Services
from tests.factories.password_links import NEW, age_links, issued_token, requested_links
from tests.factories.races import race
from tests.factories.sessions import ADA, begin_session, is_live

ROUNDS = 5
CHANGES: list[Callable[[Users], None]] = [
    lambda users: users.disable(ADA),
    lambda users: users.remove(ADA),
    lambda users: users.set_password(ADA, "changed by the operator"),
]


def assert_unusable(services: Services, token: OpaqueToken) -> None:
    assert services.password_links.find(token) is None
    with pytest.raises(InvalidLink):
        services.password_links.use(token, "chosen")


def test_a_sign_up_adds_an_account_once(services: Services) -> None:
    token = issued_token(services)
    assert services.password_links.find(token) is not None
    assert services.password_links.use(token, "chosen").email == NEW
    assert services.users.find(NEW) == User(NEW, "chosen", admin=False)
    assert_unusable(services, token)


def test_a_reset_changes_the_password_once_and_ends_the_sessions_of_the_user_only(services: Services) -> None:
    hers, his = begin_session(services), begin_session(services, "bob@example.org")
    token = issued_token(services, ADA, Purpose.RESET)
    services.password_links.use(token, "chosen")
    assert services.users.find(ADA) == User(ADA, "chosen", admin=False)
    assert [is_live(services, session) for session in (hers, his)] == [False, True]
    assert_unusable(services, token)


def test_a_used_link_ends_all_links_of_its_address_only(services: Services) -> None:
    issued_token(services, ADA, Purpose.SIGN_UP)
    issued_token(services, NEW)
    services.password_links.use(issued_token(services, ADA, Purpose.RESET), "chosen")
    assert requested_links(services) == [(NEW, "sign-up")]


def test_an_admin_who_resets_the_password_stays_one(services: Services) -> None:
    services.password_links.use(issued_token(services, "root@example.org", Purpose.RESET), "chosen")
    assert services.users.find("root@example.org") == User("root@example.org", "chosen", admin=True)


@pytest.mark.parametrize(("email", "purpose"), [(NEW, Purpose.SIGN_UP), (ADA, Purpose.RESET)])
def test_concurrent_uses_of_a_link_choose_one_password(services: Services, email: str, purpose: Purpose) -> None:
    def choose(services: Services, token: OpaqueToken, hashed: str) -> str | None:
        try:
            services.password_links.use(token, hashed)
        except InvalidLink:
            return None
        return hashed

    for _ in range(ROUNDS):
        token = issued_token(services, email, purpose)
        hashes = ["first", "second", "third"]
        steps = [lambda rival, token=token, hashed=hashed: choose(rival, token, hashed) for hashed in hashes]
        chosen = [hashed for hashed in race(services, steps) if hashed is not None]
        account = services.users.find(email)
        assert account is not None
        assert chosen == [account.password]
        if purpose == Purpose.SIGN_UP:
            services.users.remove(email)


def test_a_request_replaces_earlier_links_of_the_address_for_the_same_purpose(services: Services) -> None:
    earlier = issued_token(services, ADA, Purpose.RESET)
    other = issued_token(services, "bob@example.org", Purpose.RESET)
    sign_up = issued_token(services, ADA, Purpose.SIGN_UP)
    services.password_links.request(ADA, Purpose.RESET)
    assert_unusable(services, earlier)
    assert services.password_links.find(other) is not None
    assert services.password_links.find(sign_up) is not None


def test_a_further_email_of_a_request_replaces_the_link_of_the_one_before(services: Services) -> None:
    claim = services.password_links.claim(services.password_links.request(NEW, Purpose.SIGN_UP).id)
    assert claim is not None
    first, second = (services.password_links.issue(claim, seconds=60) for _ in range(2))
    assert first is not None and second is not None
    assert services.password_links.find(first) is None
    assert services.password_links.find(second) is not None


def test_a_link_expires(services: Services) -> None:
    token = issued_token(services)
    age_links(services, 3601)
    assert_unusable(services, token)


def test_a_guessed_secret_opens_no_link(services: Services) -> None:
    token = issued_token(services)
    assert_unusable(services, replace(token, secret=OpaqueToken.create().secret))
    assert_unusable(services, OpaqueToken.create())
    assert_unusable(services, OpaqueToken.create(services.password_links.request(NEW, Purpose.SIGN_UP).id))


def test_no_token_is_stored(services: Services) -> None:
    token = issued_token(services)
    with services.database.read() as connection:
        (row,) = connection.execute(sa.select(table)).all()
    assert token.hash in row
    assert not [value for value in row if token.secret in str(value)]


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_an_account_by_its_operator_ends_its_links(
    services: Services, change: Callable[[Users], None]
) -> None:
    token = issued_token(services, ADA, Purpose.RESET)
    change(services.users)
    assert_unusable(services, token)


def test_an_account_that_was_disabled_removed_or_added_meanwhile_is_not_changed(services: Services) -> None:
    reset, removed = (issued_token(services, email, Purpose.RESET) for email in (ADA, "bob@example.org"))
    added = issued_token(services)
    users = Users(services.database)
    with services.database.write() as connection:  # as an older release does, which knows no links
        connection.execute(sa.update(accounts).where(accounts.c.email == ADA).values(disabled=True))
        connection.execute(sa.delete(accounts).where(accounts.c.email == "bob@example.org"))
    users.add(NEW, "of the operator")
    before = users.list()
    for token in (reset, removed, added):
        with pytest.raises(InvalidLink):
            services.password_links.use(token, "chosen")
    assert users.list() == before


def test_only_one_worker_sends_an_email_until_its_claim_expires(services: Services) -> None:
    link = services.password_links.request(NEW, Purpose.SIGN_UP)
    first = services.password_links.claim(link.id)
    assert first is not None
    assert services.password_links.claim(link.id) is None
    assert services.password_links.is_pending(link.id)
    assert services.password_links.due() == []
    age_links(services, CLAIM_SECONDS + 1)
    second = services.password_links.claim(link.id)
    assert second is not None
    assert services.password_links.issue(first, seconds=60) is None
    assert not services.password_links.mark_sent(first)
    assert services.password_links.issue(second, seconds=60) is not None
    assert services.password_links.mark_sent(second)
    assert not services.password_links.is_pending(link.id)
    assert services.password_links.claim(link.id) is None


def test_a_worker_whose_request_was_replaced_makes_no_link(services: Services) -> None:
    claim = services.password_links.claim(services.password_links.request(NEW, Purpose.SIGN_UP).id)
    assert claim is not None
    services.password_links.request(NEW, Purpose.SIGN_UP)
    assert services.password_links.issue(claim, seconds=60) is None


def test_an_event_is_due_at_once_and_then_at_growing_intervals(services: Services) -> None:
    link = services.password_links.request(NEW, Purpose.SIGN_UP)
    assert services.password_links.due() == [link]
    assert services.password_links.postpone(link)
    assert not services.password_links.postpone(link)
    assert services.password_links.due() == []
    age_links(services, MIN_RESEND_SECONDS + 1)
    assert [due.id for due in services.password_links.due()] == [link.id]
    age_links(services, 1000)
    assert services.password_links.postpone(link)
    age_links(services, 900)
    assert services.password_links.due() == []
    assert services.password_links.send_soon(link)
    assert [due.id for due in services.password_links.due()] == [link.id]


def test_all_old_links_are_deleted_however_many_there_are(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DELETE_BATCH", 2)
    for number in range(3):
        services.password_links.request(f"{number}@example.org", Purpose.SIGN_UP)
    age_links(services, GIVE_UP_SECONDS)
    services.password_links.request(NEW, Purpose.SIGN_UP)
    assert services.password_links.delete_old() == 3
    assert requested_links(services) == [(NEW, "sign-up")]


def test_a_link_is_deleted_when_it_has_expired_or_its_email_cannot_be_sent_for_a_day(services: Services) -> None:
    issued_token(services)
    services.password_links.request(ADA, Purpose.RESET)
    assert services.password_links.delete_old() == 0
    age_links(services, 3601)
    assert services.password_links.delete_old() == 1
    assert requested_links(services) == [(ADA, "reset")]
    age_links(services, GIVE_UP_SECONDS)
    assert services.password_links.delete_old() == 1
