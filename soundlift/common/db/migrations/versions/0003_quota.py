"""Adds what a quota needs: an index that has all it looks at, and rows to lock while one is checked."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

INDEX = "job_in_quota"
LOCKS = 64


def upgrade() -> None:
    """Make both, or what is missing: MySQL keeps each step of a migration that broke off."""
    connection = op.get_bind()
    locks = op.create_table(
        "upload_lock",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        if_not_exists=True,
        mysql_engine="InnoDB",
    )
    there = set(connection.scalars(sa.select(locks.c.number)))
    if missing := [{"number": number} for number in range(LOCKS) if number not in there]:
        op.bulk_insert(locks, missing)
    if INDEX not in {index["name"] for index in sa.inspect(connection).get_indexes("job")}:
        op.create_index(INDEX, "job", ["username", "state", "due_at", "video_bytes", "mp3_bytes"])
