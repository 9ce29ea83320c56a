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
from soundlift.common.jobs.user_lock import lock_owner, lock_user

IN_TURN = (table.c.turn, table.c.changed_at)


def next_turn(connection: Connection, username: str) -> int:
    """Return the turn of a job of this user that is queued in this transaction, under the user's lock."""
    lock_user(connection, username)
    queued = sa.select(table.c.turn).where(table.c.state == State.QUEUED, table.c.turn.is_not(None)).limit(1)
    current = force_index(queued.order_by(table.c.turn), table, "job_in_turn")
    own = queued.where(table.c.username == username).order_by(table.c.turn.desc())
    queries = current, force_index(own, table, "job_of_user_in_turn")
    return 1 + max(connection.scalar(query) or 0 for query in queries)


def turn_of(connection: Connection, job_id: str) -> int | None:
    """Return the turn of a job that is queued again in this transaction; None if there is no such job."""
    username = lock_owner(connection, job_id)
    return None if username is None else next_turn(connection, username)
