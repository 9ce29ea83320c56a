"""API keys of the test accounts, and the headers that send them."""

from __future__ import annotations

import sqlalchemy as sa

from soundlift.common.auth.api_keys import ApiKey
from soundlift.common.auth.scopes import Scope
from soundlift.common.db.tables import api_keys as table
from soundlift.common.services import Services

ADA = "ada@example.org"
TIMES = ("created_at", "expires_at", "last_used_at", "revoked_at", "delete_after")


def new_key(services: Services, *scopes: Scope, email: str = ADA, seconds: int | None = None) -> ApiKey:
    """Return a new key, by default with all scopes but `admin`."""
    chosen = scopes or tuple(scope for scope in Scope if scope != Scope.ADMIN)
    return services.api_keys.add(email, name="a program", scopes=chosen, seconds=seconds)[1]


def by_key(key: ApiKey) -> dict[str, str]:
    return {"Authorization": f"Bearer {key.text}"}


def key_id(services: Services, key: ApiKey) -> str:
    with services.database.read() as connection:
        return str(connection.scalar(sa.select(table.c.id).where(table.c.key_hash == key.hash)))


def revoke(services: Services, key: ApiKey, email: str = ADA) -> None:
    assert services.api_keys.revoke(email, key_id(services, key))


def age_keys(services: Services, seconds: float) -> None:
    """Move all times of all keys into the past."""
    with services.database.write() as connection:
        connection.execute(sa.update(table).values({name: table.c[name] - seconds for name in TIMES}))
