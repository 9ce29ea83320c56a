"""Create the table of API keys."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

INDEXES = {"api_key_of_user": ["username", "created_at", "id"], "api_key_delete_after": ["delete_after"]}


def upgrade() -> None:
    """Create what is missing: MySQL keeps each statement of an interrupted migration."""
    op.create_table(
        "api_key",
        sa.Column("id", sa.String(24), primary_key=True),
        sa.Column("username", sa.String(254), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("start", sa.String(8), nullable=False),
        sa.Column("key_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("scopes", sa.String(200), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double),
        sa.Column("last_used_at", sa.Double),
        sa.Column("revoked_at", sa.Double),
        sa.Column("delete_after", sa.Double),
        if_not_exists=True,
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    existing = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes("api_key")}
    for name in INDEXES.keys() - existing:
        op.create_index(name, "api_key", INDEXES[name])
