"""Record when jobs were updated, ended, retried and deleted."""

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

JOB_COLUMNS = (
    sa.Column("ended_at", sa.Double),
    sa.Column("updated_at", sa.Double, nullable=False, server_default="0"),
    sa.Column("retried_at", sa.Double),
    sa.Column("retries", sa.Integer, nullable=False, server_default="0"),
)
INDEXES = {
    "job": {
        "job_update": ["updated_at", "id", "state"],
        "job_update_of_user": ["username", "updated_at", "id", "state"],
    },
    "deletion": {
        "deletion_update": ["updated_at", "job"],
        "deletion_update_of_user": ["username", "updated_at", "job"],
    },
}
BATCH = 1000
ENDED = ("ready", "failed", "cancelled")
BYTEWISE = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}

job = sa.table("job", *(sa.column(name) for name in ("id", "state", "changed_at", "ended_at", "updated_at")))


def upgrade() -> None:
    """Create what is missing: MySQL keeps each statement of an interrupted migration."""
    existing = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("job")}
    for column in JOB_COLUMNS:
        if column.name not in existing:
            op.add_column("job", column)
    _fill_in()
    op.create_table(
        "deletion",
        sa.Column("job", sa.String(24), primary_key=True),
        sa.Column("username", sa.String(254), nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        if_not_exists=True,
        **BYTEWISE,
    )
    for table, indexes in INDEXES.items():
        present = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}
        for name in indexes.keys() - present:
            op.create_index(name, table, indexes[name])


def _fill_in() -> None:
    """Take the times of existing jobs from their last change of state; when an expired job ended is unknown.

    MySQL commits each batch, so that functions that are running never wait long for the locks on its rows.
    """
    has_ended = sa.and_(job.c.ended_at.is_(None), job.c.state.in_(ENDED))
    times = {
        "updated_at": sa.case((job.c.updated_at == 0, job.c.changed_at), else_=job.c.updated_at),
        "ended_at": sa.case((has_ended, job.c.changed_at), else_=job.c.ended_at),
    }
    for batch in _batches():
        op.execute(job.update().where(batch, sa.or_(job.c.updated_at == 0, has_ended)).values(times))
        if op.get_bind().dialect.name == "mysql":
            op.execute("COMMIT")


def _batches() -> Iterator[sa.ColumnElement[bool]]:
    """Yield conditions that select all jobs, BATCH at a time."""
    first = ""
    while (last := _last_id(first)) is not None:
        yield sa.and_(job.c.id > first, job.c.id <= last)
        first = last
    yield job.c.id > first


def _last_id(first: str) -> str | None:
    """Return the last id of the batch that starts after `first`; None if there are not enough jobs for a whole one."""
    ids = sa.select(job.c.id).where(job.c.id > first).order_by(job.c.id).offset(BATCH - 1).limit(1)
    last: str | None = op.get_bind().scalar(ids)
    return last
