"""Links that let the owner of an address choose a password: of a new account, or of the one that they have.

    requested ⇄ claimed ─▶ sent ─▶ used

A request makes a row, whether or not the address has an account; which email it becomes is decided when it is sent.
Only then is the token of its link made, so that a token is nowhere but in the email. Each step is one compare-and-set
on the row, by the database's clock; a step that changes no row means that another process acted first.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.auth.opaque_tokens import ID_BYTES, OpaqueToken
from soundlift.common.auth.sessions import end_sessions
from soundlift.common.db.batches import delete_in_batches
from soundlift.common.db.clock import now, statement_start
from soundlift.common.db.engine import Database
from soundlift.common.db.index_hints import force_index
from soundlift.common.db.tables import password_links as table
from soundlift.common.db.tables import users
from soundlift.common.errors import InvalidLink

BATCH = 100  # of events that are sent in one run of cleanup
DELETE_BATCH = 1000
CLAIM_SECONDS = 60  # longer than any attempt to send the email
MIN_RESEND_SECONDS, MAX_RESEND_SECONDS = 60, 6 * 3600
GIVE_UP_SECONDS = 24 * 3600  # an email that cannot be sent for so long is not sent at all


class Purpose(StrEnum):
    """What the password is for."""

    SIGN_UP = "sign-up"
    RESET = "reset"


@dataclass(frozen=True)
class PasswordLink:
    """A row as it was read; `created_at` in seconds since 1970."""

    id: str
    email: str
    purpose: Purpose
    created_at: float


@dataclass(frozen=True)
class LinkClaim:
    """One worker's right to send the email of a link, for CLAIM_SECONDS."""

    link: PasswordLink
    token: str


class PasswordLinks:
    """The links in the database. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def request(self, email: str, purpose: Purpose) -> PasswordLink:
        """Replace the link of an address for a purpose by a new one, whose email is due immediately.

        One for the other purpose stays: strangers who sign up with the address of a user do not undo the user's reset.
        """
        link_id = secrets.token_hex(ID_BYTES)
        moment = now()
        row = sa.insert(table).values(
            id=link_id,
            email=email,
            purpose=purpose,
            created_at=moment,
            due_at=moment,
            delete_after=moment + GIVE_UP_SECONDS,
        )

        def replace(connection: Connection) -> PasswordLink:
            connection.execute(sa.delete(table).where(table.c.email == email, table.c.purpose == purpose))
            connection.execute(row)
            return _link(connection.execute(sa.select(*_columns).where(table.c.id == link_id)).one())

        return self._database.transact(replace)

    def due(self) -> Sequence[PasswordLink]:
        """Return at most BATCH links whose event must be sent, the most overdue first."""
        query = sa.select(*_columns).where(_is_due(statement_start())).order_by(table.c.due_at).limit(BATCH)
        query = force_index(query, table, "password_link_due_at")
        with self._database.read() as connection:
            return [_link(row) for row in connection.execute(query)]

    def postpone(self, link: PasswordLink) -> bool:
        """Claim the sending of a due event; only one of several concurrent callers gets True.

        The pause until the event is due again is the time since the request, so it doubles with each repeat.
        """
        age = now() - table.c.created_at
        pause = sa.case(
            (age < MIN_RESEND_SECONDS, MIN_RESEND_SECONDS),
            (age > MAX_RESEND_SECONDS, MAX_RESEND_SECONDS),
            else_=age,
        )
        return self._update(table.c.id == link.id, _is_due(now()), due_at=now() + pause)

    def send_soon(self, link: PasswordLink) -> bool:
        """Make the event of a link due immediately, after its publication failed."""
        return self._update(table.c.id == link.id, table.c.due_at.is_not(None), due_at=now())

    def claim(self, link_id: str) -> LinkClaim | None:
        """Claim a link whose email has not been sent, for CLAIM_SECONDS."""
        claim = secrets.token_hex(ID_BYTES)
        pending = (table.c.id == link_id, table.c.due_at.is_not(None), _is_unclaimed(now()))
        if not self._update(*pending, claim=claim, claimed_until=now() + CLAIM_SECONDS):
            return None
        with self._database.read() as connection:
            query = sa.select(*_columns).where(table.c.id == link_id, table.c.claim == claim)
            row = connection.execute(query).one_or_none()
        return LinkClaim(_link(row), claim) if row else None

    def is_pending(self, link_id: str) -> bool:
        """Return whether the email of a link has not been sent."""
        query = sa.select(table.c.id).where(table.c.id == link_id, table.c.due_at.is_not(None))
        with self._database.read() as connection:
            return connection.scalar(query) is not None

    def issue(self, claim: LinkClaim, *, seconds: int) -> OpaqueToken | None:
        """Make the token of a claimed link, which opens it for so many seconds; an earlier token stops working.

        Returns None if the claim was lost, for example because the address has a newer link.
        """
        token = OpaqueToken.create(claim.link.id)
        issued = self._update(*_is_mine(claim), token_hash=token.hash, token_expires_at=now() + seconds)
        return token if issued else None

    def mark_sent(self, claim: LinkClaim) -> bool:
        """Record that the mail server accepted the email with the link, which is kept until it expires."""
        ended = {"due_at": None, "claim": None, "claimed_until": None}
        return self._update(*_is_mine(claim), **ended, delete_after=table.c.token_expires_at)

    def discard(self, claim: LinkClaim) -> None:
        """Delete a claimed link that nobody gets."""
        self._database.change(sa.delete(table).where(*_is_mine(claim)))

    def release(self, claim: LinkClaim) -> bool:
        """Release a claim after a temporary failure, so that any worker can send the email later."""
        return self._update(*_is_mine(claim), claim=None, claimed_until=None)

    def find(self, token: OpaqueToken) -> PasswordLink | None:
        """Return the link that a token opens, if it still does."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(*_columns).where(*_is_opened_by(token))).one_or_none()
        return _link(row) if row else None

    def use(self, token: OpaqueToken, hashed: str) -> PasswordLink:
        """Set the hash of the chosen password, and end all links and sessions of the account, in one transaction.

        Raises InvalidLink, and changes nothing, if the link was used, or the account was disabled, removed or added
        in the meantime.
        """

        def choose(connection: Connection) -> PasswordLink:
            row = connection.execute(sa.select(*_columns).where(*_is_opened_by(token))).one_or_none()
            if row is None or not _set_password(connection, _link(row), hashed):
                raise invalid_link()
            end_sessions(connection, row.email)
            if connection.execute(sa.delete(table).where(*_is_opened_by(token))).rowcount != 1:
                raise invalid_link()
            delete_password_links(connection, row.email)
            return _link(row)

        try:
            return self._database.transact(choose)
        except sa.exc.IntegrityError:  # the address has an account by now
            raise invalid_link() from None

    def delete_old(self) -> int:
        """Delete links that have expired or could not be sent, DELETE_BATCH at a time, and return how many."""
        return delete_in_batches(self._delete_batch, size=DELETE_BATCH)

    def _delete_batch(self) -> int:
        old = sa.select(table.c.id).where(table.c.delete_after <= statement_start()).limit(DELETE_BATCH)

        def delete(connection: Connection) -> int:
            ids = connection.scalars(force_index(old, table, "password_link_delete_after")).all()
            return connection.execute(sa.delete(table).where(table.c.id.in_(ids))).rowcount if ids else 0

        return self._database.transact(delete)

    def _update(self, *conditions: sa.ColumnElement[bool], **values: object) -> bool:
        return self._database.change(sa.update(table).where(*conditions).values(**values)) == 1


def delete_password_links(connection: Connection, email: str) -> None:
    """Delete all links of an address in this transaction."""
    connection.execute(sa.delete(table).where(table.c.email == email))


def invalid_link() -> InvalidLink:
    """Return the error of a link that does not, or no longer, let anybody choose a password."""
    return InvalidLink("The link has expired, has been used, or was replaced by a newer one. Ask for a new link.")


_columns = [table.c[name] for name in PasswordLink.__dataclass_fields__]


def _link(row: sa.Row[tuple[str, str, str, float]]) -> PasswordLink:
    return PasswordLink(row.id, row.email, Purpose(row.purpose), row.created_at)


def _set_password(connection: Connection, link: PasswordLink, hashed: str) -> bool:
    """Add the account of a link or change its password, and return whether that was possible."""
    if link.purpose == Purpose.SIGN_UP:
        connection.execute(users.insert().values(email=link.email, password=hashed, admin=False))
        return True
    enabled = (users.c.email == link.email, users.c.disabled.is_(False))
    return connection.execute(users.update().where(*enabled).values(password=hashed)).rowcount == 1


def _is_opened_by(token: OpaqueToken) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.id == token.id, table.c.token_hash == token.hash, table.c.token_expires_at > now()


def _is_mine(claim: LinkClaim) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.id == claim.link.id, table.c.claim == claim.token


def _is_unclaimed(moment: sa.ColumnElement[float]) -> sa.ColumnElement[bool]:
    return sa.or_(table.c.claimed_until.is_(None), table.c.claimed_until < moment)


def _is_due(moment: sa.ColumnElement[float]) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.due_at <= moment, _is_unclaimed(moment))
