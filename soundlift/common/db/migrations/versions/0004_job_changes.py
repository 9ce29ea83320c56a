"""Record when jobs were updated, ended, retried and deleted."""

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
BYTEWISE = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


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
    """Take the times of existing jobs from their last change of state; when an expired job ended is unknown."""
    job = sa.table("job", sa.column("state"), *(sa.column(name) for name in ("changed_at", "ended_at", "updated_at")))
    op.execute(job.update().where(job.c.updated_at == 0).values(updated_at=job.c.changed_at))
    ended = job.c.state.in_(("ready", "failed", "cancelled"))
    op.execute(job.update().where(ended, job.c.ended_at.is_(None)).values(ended_at=job.c.changed_at))
