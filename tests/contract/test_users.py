"""Holds the accounts to their rules."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from soundlift.common.auth.passwords import hash_password, password_matches
from soundlift.common.auth.users import User, Users
from soundlift.common.db.engine import open_database
from soundlift.common.errors import BadRequest, NotFound
from soundlift.common.settings import Settings


@pytest.fixture
def users(settings: Settings) -> Iterator[Users]:
    database = open_database(settings.database_url)
    yield Users(database)
    database.engine.dispose()


def test_an_added_account_is_found_by_its_address_in_any_case_of_letters(users: Users) -> None:
    added = users.add("Ada@Example.org", "hash", admin=True)
    assert added == User("ada@example.org", "hash", admin=True)
    assert users.find("ada@example.org") == users.find(" ADA@example.ORG ") == added


def test_an_unknown_address_has_no_account(users: Users) -> None:
    assert users.find("nobody@example.org") is None


def test_an_address_has_one_account(users: Users) -> None:
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
    ],
)
def test_what_is_not_one_address_gets_no_account(users: Users, address: str) -> None:
    with pytest.raises(BadRequest):
        users.add(address, "hash")
    assert users.list() == []


def test_an_address_may_have_254_characters_as_a_column_and_a_mail_have_space_for(users: Users) -> None:
    longest = "a" * 242 + "@example.org"
    assert users.find(users.add(f" {longest} ", "hash").email) == User(longest, "hash", admin=False)
    with pytest.raises(BadRequest, match="at most 254 characters"):
        users.add(f"a{longest}", "hash")


def test_accounts_are_listed_by_address(users: Users) -> None:
    for name in ("carl", "ada", "bob"):
        users.add(f"{name}@example.org", "hash")
    assert [user.email for user in users.list()] == ["ada@example.org", "bob@example.org", "carl@example.org"]


def test_a_password_is_replaced_and_an_account_removed_of_nobody_else(users: Users) -> None:
    users.add("ada@example.org", "old")
    bob = users.add("bob@example.org", "his")
    users.set_password(" Ada@example.org", "new")
    assert users.list() == [User("ada@example.org", "new", admin=False), bob]
    users.remove("ADA@example.org ")
    assert users.list() == [bob]


def test_no_account_is_changed_or_removed_that_is_not_there(users: Users) -> None:
    with pytest.raises(NotFound):
        users.set_password("nobody@example.org", "new")
    with pytest.raises(NotFound):
        users.remove("nobody@example.org")


def test_a_password_is_stored_as_argon2id_with_its_own_salt() -> None:
    first, second = hash_password("correct horse"), hash_password("correct horse")
    assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert first != second
    assert password_matches("correct horse", first)
    assert not password_matches("wrong horse", first)


@pytest.mark.parametrize("broken", [None, "", "no hash", "$argon2id$v=19$m=19456,t=2,p=1$broken"])
def test_no_password_matches_where_there_is_no_hash(broken: str | None) -> None:
    assert not password_matches("nobody has this password", broken)
