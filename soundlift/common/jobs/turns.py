"""The order in which queued jobs are converted: in rounds, each with at most one job of each user.

The `turn` of a job is the number of its round. A job that is queued joins the round after the current one, which is
that of the first job in the queue, or the round after the last of its owner's jobs, if that is later. So the first job
of a user waits for at most two jobs of each other user, however many these have. No job waits forever: a round that has
become the current one gets no further jobs.

Functions of an older release write no turn. Their jobs are first, in the order of their age.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.db.index_hints import force_index
from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.model import State
from soundlift.common.jobs.user_lock import lock_owner

NOT_QUEUED = [state for state in State if state != State.QUEUED]
IN_TURN = (table.c.turn, table.c.changed_at)


def next_turn(connection: Connection, username: str) -> int:
    """Return the turn of a job of this user that is queued in this transaction, which holds the user's lock."""
    return 1 + max(first_turn(connection), last_turn(connection, username))


def first_turn(connection: Connection) -> int:
    """Return the turn of the first job in the queue; 0 if it is empty."""
    query = sa.select(table.c.turn).where(table.c.state == State.QUEUED, table.c.turn.is_not(None))
    query = query.order_by(table.c.turn).limit(1)
    return connection.scalar(force_index(query, table, "job_in_turn")) or 0


def last_turn(connection: Connection, username: str) -> int:
    """Return the turn of the last of a user's queued jobs; 0 if there are none.

    The condition excludes the other states, because for an equality, SQLite would read all queued jobs.
    """
    query = sa.select(table.c.turn).where(table.c.username == username, table.c.turn.is_not(None))
    query = query.where(table.c.state.not_in(NOT_QUEUED)).order_by(table.c.turn.desc()).limit(1)
    return connection.scalar(force_index(query, table, "job_of_user_in_turn")) or 0


def turn_of(connection: Connection, job_id: str) -> int | None:
    """Hold the lock of a job's owner, and return the job's turn in the queue; None if there is no such job."""
    username = lock_owner(connection, job_id)
    return None if username is None else next_turn(connection, username)
