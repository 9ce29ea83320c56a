"""Create the table of the steps of jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

INDEXES = {"job_history_of_job": ["job", "id"]}


def upgrade() -> None:
    """Create what is missing: MySQL keeps each statement of an interrupted migration."""
    op.create_table(
        "job_history",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("job", sa.String(24), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("step", sa.String(32), nullable=False),
        sa.Column("attempt", sa.Integer),
        sa.Column("claim", sa.String(24)),
        sa.Column("detail", sa.String(1000)),
        if_not_exists=True,
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    existing = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes("job_history")}
    for name in INDEXES.keys() - existing:
        op.create_index(name, "job_history", INDEXES[name])
