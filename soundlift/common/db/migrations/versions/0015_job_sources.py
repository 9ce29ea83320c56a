"""Let jobs come from a URL: where it is shown, and a table of the imports in progress."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add what is missing: MySQL keeps each statement of an interrupted migration."""
    if "source_url" not in {column["name"] for column in sa.inspect(op.get_bind()).get_columns("job")}:
        op.add_column("job", sa.Column("source_url", sa.String(1000)))
    op.create_table(
        "job_source",
        sa.Column("job", sa.String(24), primary_key=True),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("is_named", sa.Boolean, nullable=False),
        sa.Column("claim", sa.String(24)),
        sa.Column("claimed_until", sa.Double),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("last_cause", sa.String(1000)),
        if_not_exists=True,
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    existing = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes("job_source")}
    if "job_source_due_at" not in existing:
        op.create_index("job_source_due_at", "job_source", ["due_at"])
