"""The lock of an account, for a transaction that makes what outlives access tokens: API keys and webhooks."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.db.tables import users
from soundlift.common.errors import NotAuthorized


def lock_account(connection: Connection, username: str) -> bool:
    """Keep an account as it is until this transaction ends, and return whether it is that of an admin.

    An access token is checked without the database, so it may outlive its account: raises NotAuthorized if the account
    has been removed or disabled.
    """
    enabled = (users.c.email == username, users.c.disabled.is_(False))
    account = connection.execute(sa.select(users.c.admin).where(*enabled).with_for_update()).one_or_none()
    if account is None:
        raise NotAuthorized("The account does not exist any more, or is disabled.")
    return bool(account.admin)
