"""Create the table of uploads that several requests send."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

INDEXES = {"resumable_upload_expires_at": ["expires_at"], "resumable_upload_arrived_at": ["arrived_at"]}


def upgrade() -> None:
    """Create what is missing: MySQL keeps each statement of an interrupted migration."""
    op.create_table(
        "resumable_upload",
        sa.Column("id", sa.String(24), primary_key=True),
        sa.Column("username", sa.String(254), nullable=False),
        sa.Column("length", sa.BigInteger),
        sa.Column("received", sa.BigInteger, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("beginning", sa.LargeBinary(2**16)),
        sa.Column("state", sa.LargeBinary(2**24 - 1)),
        sa.Column("metadata", sa.Text, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("arrived_at", sa.Double),
        if_not_exists=True,
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    existing = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes("resumable_upload")}
    for name in INDEXES.keys() - existing:
        op.create_index(name, "resumable_upload", INDEXES[name])
