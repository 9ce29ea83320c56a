"""The store of user accounts."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.headerregistry import Address

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.auth.key_store import delete_keys
from soundlift.common.auth.password_links import delete_password_links
from soundlift.common.auth.sessions import end_sessions
from soundlift.common.db.engine import Database
from soundlift.common.db.index_hints import force_index
from soundlift.common.db.tables import users as table
from soundlift.common.errors import BadRequest, NotFound
from soundlift.common.printable import escaped
from soundlift.common.webhooks.rows import delete_webhooks

MAX_EMAIL_LENGTH = 254
DOMAIN = re.compile(r"[\w-]{1,63}(\.[\w-]{1,63})*")


@dataclass(frozen=True)
class User:
    """A user account; `email` is the user name. Nobody can sign in to a disabled one."""

    email: str
    password: str  # its hash
    admin: bool
    disabled: bool = False


_columns = [table.c[name] for name in User.__dataclass_fields__]


class Users:
    """The user accounts in the database; letter case in an address does not matter."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, email: str, hashed: str, *, admin: bool = False) -> User:
        """Add an account with a password hash.

        Raises BadRequest if the address is not a single mail address, or already has an account.
        """
        user = User(email=parse_address(email), password=hashed, admin=admin)
        try:
            self._database.change(table.insert().values(email=user.email, password=hashed, admin=admin))
        except sa.exc.IntegrityError:
            raise BadRequest(f"{user.email} already has an account.") from None
        return user

    def find(self, email: str) -> User | None:
        """Return the account with an address, or None."""
        query = sa.select(*_columns).where(table.c.email == email.strip().lower())
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return User(**row._mapping) if row else None

    def list(self) -> list[User]:
        """Return all accounts, ordered by address."""
        query = sa.select(*_columns).order_by(table.c.email)
        with self._database.read() as connection:
            return [User(**row._mapping) for row in connection.execute(query)]

    def page(self, *, after: str = "", limit: int) -> Sequence[User]:
        """Return at most `limit` accounts ordered by address, starting after the address `after`."""
        query = sa.select(*_columns).where(table.c.email > after)
        query = force_index(query.order_by(table.c.email).limit(limit), table, "email")
        with self._database.read() as connection:
            return [User(**row._mapping) for row in connection.execute(query)]

    def set_password(self, email: str, hashed: str) -> None:
        """Replace the password hash of an account, and end its sessions, not its API keys; raises NotFound."""
        self._change_and_sign_out(email, table.update().values(password=hashed))

    def replace_hash(self, user: User, hashed: str) -> bool:
        """Replace the hash of an unchanged password, and return whether the account still was as it was read."""
        same = sa.and_(table.c.email == user.email, table.c.password == user.password)
        return self._database.change(table.update().where(same).values(password=hashed)) == 1

    def remove(self, email: str) -> None:
        """Remove an account, end its sessions, and delete its API keys and its webhooks; raises NotFound.

        Otherwise, whoever gets an account with this address later would have the same webhooks.
        """
        self._change_and_sign_out(email, table.delete(), and_also=_delete_keys_and_webhooks)

    def disable(self, email: str) -> None:
        """Keep anybody from signing in to an account, and end its sessions; raises NotFound.

        Its API keys do not work while it is disabled.
        """
        self._change_and_sign_out(email, table.update().values(disabled=True))

    def enable(self, email: str) -> None:
        """Let an account be signed in to again; raises NotFound."""
        self._change(email, table.update().values(disabled=False))

    def set_admin(self, email: str, admin: bool) -> None:
        """Give an account the rights of an admin or take them away; raises NotFound.

        Sessions continue: their next access token has the new rights.
        """
        self._change(email, table.update().values(admin=admin))

    def _change(self, email: str, statement: sa.Update) -> None:
        if not self._database.change(statement.where(table.c.email == email.strip().lower())):
            raise NotFound(f"{email} has no account.")

    def _change_and_sign_out(
        self,
        email: str,
        statement: sa.Update | sa.Delete,
        and_also: Callable[[Connection, str], None] | None = None,
    ) -> None:
        """Change an account, and end its sessions and its password links, in one transaction.

        The account is first, as in `Sessions.begin`: a concurrent sign-in waits, and finds its password changed.
        """
        address = email.strip().lower()

        def change(connection: Connection) -> int:
            changed = connection.execute(statement.where(table.c.email == address)).rowcount
            end_sessions(connection, address)
            delete_password_links(connection, address)
            if and_also:
                and_also(connection, address)
            return changed

        if not self._database.transact(change):
            raise NotFound(f"{email} has no account.")


def _delete_keys_and_webhooks(connection: Connection, username: str) -> None:
    delete_keys(connection, username)
    delete_webhooks(connection, username)


def parse_address(email: str) -> str:
    """Return a mail address in lower case; raises BadRequest unless it is exactly one address (RFC 5322, addr-spec)."""
    text = email.strip().lower()
    if len(text) > MAX_EMAIL_LENGTH:  # first: the parser takes quadratic time, and recurses into nested comments
        raise BadRequest(f"A mail address must have at most {MAX_EMAIL_LENGTH} characters.")
    try:
        address = Address(addr_spec=text)
    except (ValueError, IndexError, AttributeError, HeaderParseError, RecursionError):  # all of them for bad addresses
        address = None
    valid = address is not None and DOMAIN.fullmatch(address.domain) and address.addr_spec == text
    if not valid or escaped(text) != text:
        raise BadRequest(f"{email!r} is not a single mail address such as name@example.org.")
    return text
