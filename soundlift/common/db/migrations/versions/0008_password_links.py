"""Create the table of password links, and let accounts be disabled."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

INDEXES = {
    "password_link_of_address": ["email"],
    "password_link_due_at": ["due_at"],
    "password_link_delete_after": ["delete_after"],
}


def upgrade() -> None:
    """Create what is missing: MySQL keeps each statement of an interrupted migration."""
    inspector = sa.inspect(op.get_bind())
    if all(column["name"] != "disabled" for column in inspector.get_columns("user")):
        op.add_column("user", sa.Column("disabled", sa.Boolean, nullable=False, server_default="0"))
    op.create_table(
        "password_link",
        sa.Column("id", sa.String(24), primary_key=True),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("token_hash", sa.String(64)),
        sa.Column("token_expires_at", sa.Double),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("due_at", sa.Double),
        sa.Column("delete_after", sa.Double, nullable=False),
        sa.Column("claim", sa.String(24)),
        sa.Column("claimed_until", sa.Double),
        if_not_exists=True,
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    existing = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes("password_link")}
    for name in INDEXES.keys() - existing:
        op.create_index(name, "password_link", INDEXES[name])
