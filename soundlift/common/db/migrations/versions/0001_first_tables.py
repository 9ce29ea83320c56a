"""Create the tables of users, jobs and notifications."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

INDEXES = {
    "job": {
        "job_of_video": ["video_fid"],
        "job_by_age": ["created_at", "id"],
        "job_of_user": ["username", "created_at", "id"],
        "job_in_state": ["state", "changed_at"],
        "job_upload_deadline": ["upload_deadline"],
        "job_resend_at": ["resend_at"],
        "job_purge_after": ["purge_after"],
        "job_in_quota": ["username", "state", "purge_after", "video_bytes", "mp3_bytes"],
    },
    "notification": {"notification_due_at": ["due_at"]},
}
UPLOAD_LOCKS = 64
# Ids, tokens and addresses are compared byte by byte.
BYTEWISE = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def upgrade() -> None:
    """Create what is missing: MySQL keeps each statement of an interrupted migration."""
    _create_user()
    _create_job()
    _create_notification()
    for table, indexes in INDEXES.items():
        existing = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}
        for name in indexes.keys() - existing:
            op.create_index(name, table, indexes[name])
    _create_upload_lock()


def _create_user() -> None:
    op.create_table(
        "user",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("email", sa.String(254), nullable=False, unique=True),
        sa.Column("password", sa.String(255), nullable=False),
        sa.Column("admin", sa.Boolean, nullable=False),
        if_not_exists=True,
        **BYTEWISE,
    )


def _create_job() -> None:
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
        sa.Column("missing_seconds", sa.Double),
        sa.Column("options", sa.Text),
        sa.Column("percent", sa.Integer, nullable=False),
        sa.Column("error_code", sa.String(32)),
        sa.Column("error", sa.String(1000)),
        sa.Column("last_cause", sa.String(1000)),
        sa.Column("claim", sa.String(24)),
        sa.Column("claimed_until", sa.Double),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("upload_deadline", sa.Double),
        sa.Column("resend_at", sa.Double),
        sa.Column("purge_after", sa.Double),
        sa.Column("resend_count", sa.Integer, nullable=False),
        sa.Column("traceparent", sa.String(100)),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("changed_at", sa.Double, nullable=False),
        if_not_exists=True,
        **BYTEWISE,
    )


def _create_notification() -> None:
    op.create_table(
        "notification",
        sa.Column("job", sa.String(24), primary_key=True),
        sa.Column("channel", sa.String(16), primary_key=True),
        sa.Column("claim", sa.String(24)),
        sa.Column("claimed_until", sa.Double),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", sa.Double),
        sa.Column("delivered_at", sa.Double),
        sa.Column("last_error", sa.String(1000)),
        if_not_exists=True,
        **BYTEWISE,
    )


def _create_upload_lock() -> None:
    locks = op.create_table(
        "upload_lock",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        if_not_exists=True,
        mysql_engine="InnoDB",
    )
    existing = set(op.get_bind().scalars(sa.select(locks.c.number)))
    if missing := [{"number": number} for number in range(UPLOAD_LOCKS) if number not in existing]:
        op.bulk_insert(locks, missing)
