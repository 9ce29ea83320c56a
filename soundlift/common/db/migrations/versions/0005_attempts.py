"""Create the table of attempts, whose number is limited."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

INDEX = "attempt_expires_at"


def upgrade() -> None:
    """Create what is missing: MySQL keeps each statement of an interrupted migration."""
    op.create_table(
        "attempt",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("locked_until", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        if_not_exists=True,
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    if INDEX not in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes("attempt")}:
        op.create_index(INDEX, "attempt", ["expires_at"])
