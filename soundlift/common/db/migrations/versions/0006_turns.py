"""Add the order in which queued jobs are converted."""

from itertools import groupby, islice

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

INDEXES = {
    "job_in_turn": ["state", "turn", "changed_at"],
    "job_of_user_in_turn": ["username", "turn"],
}
BATCH = 1000

job = sa.table("job", *(sa.column(name) for name in ("id", "username", "state", "changed_at", "turn")))


def upgrade() -> None:
    """Add what is missing: MySQL keeps each statement of an interrupted migration."""
    if all(column["name"] != "turn" for column in sa.inspect(op.get_bind()).get_columns("job")):
        op.add_column("job", sa.Column("turn", sa.BigInteger))
    existing = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes("job")}
    for name in INDEXES.keys() - existing:
        op.create_index(name, "job", INDEXES[name])
    _line_up()


def _line_up() -> None:
    """Give the jobs that are queued their turns, the first of each user in the first round.

    MySQL commits each batch, so that functions that are running never wait long for the locks on its rows.
    """
    queued = sa.select(job.c.username, job.c.id).where(job.c.state == "queued", job.c.turn.is_(None))
    rows = op.get_bind().execute(queued.order_by(job.c.username, job.c.changed_at)).all()
    by_user = (theirs for _, theirs in groupby(rows, key=lambda row: row.username))
    turns = ({"job_id": row.id, "its_turn": turn} for theirs in by_user for turn, row in enumerate(theirs, start=1))
    step = job.update().where(job.c.id == sa.bindparam("job_id"), job.c.state == "queued")
    while batch := list(islice(turns, BATCH)):
        op.get_bind().execute(step.values(turn=sa.bindparam("its_turn")), batch)
        if op.get_bind().dialect.name == "mysql":
            op.execute("COMMIT")
