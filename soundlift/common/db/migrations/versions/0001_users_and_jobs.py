"""Makes the tables of users and jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


INDEXES = {
    "ix_job_due_at": ["due_at"],
    "job_of_user": ["username", "created_at"],
    "job_in_state": ["state", "changed_at"],
}
# Ids, tokens and addresses are compared byte by byte.
BYTEWISE = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def upgrade() -> None:
    """Make both tables, or what is missing: MySQL keeps each step of a migration that broke off."""
    op.create_table(
        "user",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("email", sa.String(254), nullable=False, unique=True),
        sa.Column("password", sa.String(255), nullable=False),
        sa.Column("admin", sa.Boolean, nullable=False),
        if_not_exists=True,
        **BYTEWISE,
    )
    op.create_table(
        "job",
        sa.Column("id", sa.String(24), primary_key=True),
        sa.Column("username", sa.String(254), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("file_name", sa.String(255), nullable=False),
        sa.Column("content_type", sa.String(100), nullable=False),
        sa.Column("video_fid", sa.String(24), nullable=False),
        sa.Column("video_bytes", sa.BigInteger),
        sa.Column("mp3_fid", sa.String(24), unique=True),
        sa.Column("mp3_bytes", sa.BigInteger),
        sa.Column("length", sa.Double),
        sa.Column("percent", sa.Integer, nullable=False),
        sa.Column("error_code", sa.String(32)),
        sa.Column("error", sa.String(1000)),
        sa.Column("last_cause", sa.String(1000)),
        sa.Column("claim", sa.String(24)),
        sa.Column("claimed_until", sa.Double),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", sa.Double),
        sa.Column("sent", sa.Integer, nullable=False),
        sa.Column("told_at", sa.Double),
        sa.Column("mail_error", sa.String(1000)),
        sa.Column("traceparent", sa.String(100)),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("changed_at", sa.Double, nullable=False),
        if_not_exists=True,
        **BYTEWISE,
    )
    there = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes("job")}
    for name, columns in INDEXES.items():
        if name not in there:
            op.create_index(name, "job", columns)
