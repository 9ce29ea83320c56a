"""Add the limits of single users, and what users have lately uploaded and had converted."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

COLUMNS = {
    "user": [
        sa.Column("max_upload_bytes", sa.BigInteger),
        sa.Column("max_jobs_in_flight", sa.BigInteger),
        sa.Column("max_stored_bytes", sa.BigInteger),
        sa.Column("max_uploads_per_hour", sa.BigInteger),
        sa.Column("max_minutes_per_day", sa.BigInteger),
    ],
    "job": [sa.Column("reserved_seconds", sa.Double)],
}


def upgrade() -> None:
    """Add what is missing: MySQL keeps each statement of an interrupted migration."""
    for table, columns in COLUMNS.items():
        existing = {column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)}
        for column in columns:
            if column.name not in existing:
                op.add_column(table, column)
    op.create_table(
        "usage_minute",
        sa.Column("username", sa.String(254), primary_key=True),
        sa.Column("minute", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("uploads", sa.Integer, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        if_not_exists=True,
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    if not sa.inspect(op.get_bind()).get_indexes("usage_minute"):
        op.create_index("usage_minute_by_age", "usage_minute", ["minute"])
