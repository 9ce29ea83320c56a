"""API keys: they work until they expire or are revoked, and only while their account may be signed in to."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from soundlift.common.auth import key_store
from soundlift.common.auth.api_keys import ApiKey
from soundlift.common.auth.key_store import (
    KEPT_SECONDS,
    MAX_ENDED_KEYS,
    MAX_KEYS,
    USE_INTERVAL_SECONDS,
    KeyState,
    StoredKey,
)
from soundlift.common.auth.scopes import Scope
from soundlift.common.db.tables import api_keys as table
from soundlift.common.errors import Forbidden, NotAuthorized, TooManyKeys
from soundlift.common.services import Services
from tests.factories.api_keys import ADA, age_keys, key_id, new_key, revoke
from tests.factories.races import race

BOB, ROOT = "bob@example.org", "root@example.org"


def works(services: Services, key: ApiKey) -> bool:
    return services.api_keys.use(key) is not None


def listed(services: Services, key: ApiKey, email: str = ADA) -> StoredKey:
    (found,) = [each for each in services.api_keys.list(email) if each.id == key_id(services, key)]
    return found


def changes(services: Services, run: Callable[[], object]) -> list[str]:
    """Return the statements of a call that change rows."""
    statements: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        statements.append(statement)

    sa.event.listen(services.database.engine, "before_cursor_execute", note)
    run()
    sa.event.remove(services.database.engine, "before_cursor_execute", note)
    return [statement for statement in statements if not statement.startswith(("SELECT", "BEGIN"))]


def test_a_key_has_the_user_and_the_scopes_that_it_was_made_with(services: Services) -> None:
    stored, key = services.api_keys.add(
        ROOT, name="nightly", scopes={Scope.ADMIN, Scope.JOBS_READ, Scope.UPLOAD}, seconds=60
    )
    use = services.api_keys.use(key)
    assert use is not None
    assert (use.username, use.name, use.is_admin) == (ROOT, "nightly", True)
    assert use.scopes == stored.scopes == {Scope.UPLOAD, Scope.JOBS_READ, Scope.ADMIN}
    assert (stored.start, stored.state, stored.last_used_at) == (key.text[:8], KeyState.ACTIVE, None)
    assert stored.expires_at is not None
    assert stored.expires_at - stored.created_at == pytest.approx(60, abs=1)
    assert services.api_keys.use(ApiKey.create()) is None


def test_no_key_is_stored(services: Services) -> None:
    key = new_key(services)
    with services.database.read() as connection:
        (row,) = connection.execute(sa.select(table)).all()
    assert key.hash in row
    assert not [value for value in row if key.text[8:] in str(value)]
    assert key.text not in repr(key)


def test_a_key_stops_working_when_it_expires_or_is_revoked_and_is_listed_for_a_while(services: Services) -> None:
    short, long = new_key(services, seconds=100), new_key(services, seconds=1000)
    endless, revoked = new_key(services), new_key(services)
    assert not services.api_keys.revoke(BOB, key_id(services, revoked))
    assert works(services, revoked)
    revoke(services, revoked)
    revoke(services, revoked)
    age_keys(services, 200)
    assert [works(services, key) for key in (short, long, endless, revoked)] == [False, True, True, False]
    states = [listed(services, key).state for key in (short, long, endless, revoked)]
    assert states == [KeyState.EXPIRED, KeyState.ACTIVE, KeyState.ACTIVE, KeyState.REVOKED]
    assert services.api_keys.delete_old() == 0
    age_keys(services, KEPT_SECONDS)
    assert services.api_keys.delete_old() == 2
    assert {key.id for key in services.api_keys.list(ADA)} == {key_id(services, key) for key in (long, endless)}


def test_old_keys_are_deleted_in_batches(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_store, "DELETE_BATCH", 2)
    for _ in range(5):
        new_key(services, seconds=1)
    age_keys(services, KEPT_SECONDS + 2)
    assert services.api_keys.delete_old() == 5


def test_no_key_of_a_disabled_account_works_until_it_is_enabled(services: Services) -> None:
    hers, his = new_key(services), new_key(services, email=BOB)
    services.users.disable(ADA)
    assert [works(services, key) for key in (hers, his)] == [False, True]
    with pytest.raises(NotAuthorized):
        new_key(services)
    services.users.enable(ADA)
    services.users.set_password(ADA, "a new hash")
    assert works(services, hers)


def test_a_new_account_with_the_address_of_a_removed_one_has_none_of_its_keys(services: Services) -> None:
    hers, his = new_key(services), new_key(services, email=BOB)
    services.users.remove(ADA)
    services.users.add(ADA, "the hash of somebody else")
    assert [works(services, key) for key in (hers, his)] == [False, True]
    assert services.api_keys.list(ADA) == []


def test_only_an_admin_may_have_the_scope_admin(services: Services) -> None:
    with pytest.raises(Forbidden):
        new_key(services, Scope.ADMIN)
    key = new_key(services, Scope.ADMIN, email=ROOT)
    services.users.set_admin(ROOT, False)
    use = services.api_keys.use(key)
    assert use is not None and not use.is_admin


def test_the_last_use_is_recorded_at_most_once_an_hour(services: Services) -> None:
    key, other = new_key(services), new_key(services)
    works(services, key)
    first = listed(services, key).last_used_at
    assert first is not None
    assert not changes(services, lambda: works(services, key))
    assert listed(services, key).last_used_at == first
    assert listed(services, other).last_used_at is None
    age_keys(services, USE_INTERVAL_SECONDS + 1)
    works(services, key)
    second = listed(services, key).last_used_at
    assert second is not None
    assert second >= first


def test_a_user_has_a_limited_number_of_keys_even_if_many_are_made_at_once(services: Services) -> None:
    keys = [new_key(services, seconds=60 if number == 0 else None) for number in range(MAX_KEYS - 1)]

    def make(rival: Services) -> bool:
        try:
            new_key(rival)
        except TooManyKeys:
            return False
        return True

    assert sorted(map(bool, race(services, [make] * 4))) == [False, False, False, True]
    new_key(services, email=BOB)
    revoke(services, keys[1])
    age_keys(services, 100)
    assert [make(services) for _ in range(3)] == [True, True, False]


def test_the_ended_keys_of_a_user_are_limited_too(services: Services) -> None:
    first = new_key(services)
    revoke(services, first)
    age_keys(services, 10)
    for _ in range(MAX_ENDED_KEYS):
        revoke(services, new_key(services))
    new_key(services)
    assert len(services.api_keys.list(ADA)) == MAX_ENDED_KEYS
    assert first.start not in [key.start for key in services.api_keys.list(ADA)]
