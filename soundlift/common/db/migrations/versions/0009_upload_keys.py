"""Create the table of the keys that clients give their uploads."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

INDEXES = {
    "upload_key_of_job": ["job"],
    "upload_key_of_user": ["username", "job"],
    "upload_key_by_age": ["created_at"],
}


def upgrade() -> None:
    """Create what is missing: MySQL keeps each statement of an interrupted migration."""
    op.create_table(
        "upload_key",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("username", sa.String(254), nullable=False),
        sa.Column("fingerprint", sa.String(64)),
        sa.Column("job", sa.String(24)),
        sa.Column("created_at", sa.Double, nullable=False),
        if_not_exists=True,
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    existing = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes("upload_key")}
    for name in INDEXES.keys() - existing:
        op.create_index(name, "upload_key", INDEXES[name])
