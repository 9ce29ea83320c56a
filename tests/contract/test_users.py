"""Accounts: addresses, passwords, and the list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from soundlift.common.auth.passwords import Match, Passwords
from soundlift.common.auth.users import User, Users
from soundlift.common.db.engine import open_database
from soundlift.common.errors import BadRequest, NotFound
from soundlift.common.settings import Settings


@pytest.fixture
def users(settings: Settings) -> Iterator[Users]:
    database = open_database(settings.database_url)
    yield Users(database)
    database.engine.dispose()


def test_an_account_is_found_by_its_address_regardless_of_case(users: Users) -> None:
    added = users.add("Ada@Example.org", "hash", admin=True)
    assert added == User("ada@example.org", "hash", admin=True)
    assert users.find("ada@example.org") == users.find(" ADA@example.ORG ") == added


def test_an_unknown_address_has_no_account(users: Users) -> None:
    assert users.find("nobody@example.org") is None


def test_an_address_can_have_only_one_account(users: Users) -> None:
    users.add("ada@example.org", "first")
    with pytest.raises(BadRequest, match="already has an account"):
        users.add("ADA@example.org", "second")
    assert [user.password for user in users.list()] == ["first"]


@pytest.mark.parametrize(
    "address",
    [
        *("", "ada", "@example.org", "ada@", "ada@example.org, bob@example.org", "a b@example.org"),
        *("ada@example.org\nBcc: bob@example.org", "Ada <ada@example.org>", "ada@@example.org"),
        *("ada(comment)@example.org", "(comment)ada@example.org", '"ada"@example.org', "ada @example.org"),
        *("ada\u202e@example.org", "ada@exam\u202eple.org", "ada@exam\u200bple.org", "ada@\u3164.org"),
    ],
)
def test_an_account_needs_a_single_valid_address(users: Users, address: str) -> None:
    with pytest.raises(BadRequest):
        users.add(address, "hash")
    assert users.list() == []


def test_an_address_may_have_at_most_254_characters(users: Users) -> None:
    longest = "a" * 242 + "@example.org"
    assert users.find(users.add(f" {longest} ", "hash").email) == User(longest, "hash", admin=False)
    with pytest.raises(BadRequest, match="at most 254 characters"):
        users.add(f"a{longest}", "hash")


def test_accounts_are_listed_by_address(users: Users) -> None:
    for name in ("carl", "ada", "bob"):
        users.add(f"{name}@example.org", "hash")
    assert [user.email for user in users.list()] == ["ada@example.org", "bob@example.org", "carl@example.org"]


def test_a_password_change_and_a_removal_affect_only_one_account(users: Users) -> None:
    users.add("ada@example.org", "old")
    bob = users.add("bob@example.org", "his")
    users.set_password(" Ada@example.org", "new")
    assert users.list() == [User("ada@example.org", "new", admin=False), bob]
    users.remove("ADA@example.org ")
    assert users.list() == [bob]


def test_an_account_is_disabled_and_given_rights_on_its_own(users: Users) -> None:
    ada, bob = users.add("ada@example.org", "hers"), users.add("bob@example.org", "his")
    users.disable(" Ada@example.org")
    assert users.list() == [replace(ada, disabled=True), bob]
    users.enable("ADA@example.org ")
    users.set_admin("ADA@example.org ", True)
    assert users.list() == [replace(ada, admin=True), bob]
    users.set_admin("ada@example.org", False)
    assert users.list() == [ada, bob]


def test_an_unknown_account_can_be_neither_changed_nor_removed(users: Users) -> None:
    with pytest.raises(NotFound):
        users.set_password("nobody@example.org", "new")
    with pytest.raises(NotFound):
        users.remove("nobody@example.org")
    with pytest.raises(NotFound):
        users.set_admin("nobody@example.org", True)


def test_a_password_is_hashed_with_argon2id_and_a_unique_salt() -> None:
    passwords = Passwords(Settings())
    first, second = passwords.hash("correct horse"), passwords.hash("correct horse")
    assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert first != second
    assert passwords.verify("correct horse", first) is Match.CURRENT
    assert passwords.verify("wrong horse", first) is Match.NONE


@pytest.mark.parametrize("broken", [None, "", "no hash", "$argon2id$v=19$m=19456,t=2,p=1$broken"])
def test_no_password_matches_without_a_valid_hash(broken: str | None) -> None:
    assert Passwords(Settings()).verify("nobody has this password", broken) is Match.NONE
