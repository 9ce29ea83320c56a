"""The tables of the database."""

from __future__ import annotations

import sqlalchemy as sa

UPLOAD_LOCKS = 64  # rows of upload_lock

metadata = sa.MetaData()

users = sa.Table(
    "user",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("email", sa.String(254), nullable=False, unique=True),
    sa.Column("password", sa.String(255), nullable=False),
    sa.Column("admin", sa.Boolean, nullable=False, default=False),
)

jobs = sa.Table(
    "job",
    metadata,
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
    sa.Column("lost", sa.Double),
    sa.Column("options", sa.Text),
    sa.Column("percent", sa.Integer, nullable=False, default=0),
    sa.Column("error_code", sa.String(32)),
    sa.Column("error", sa.String(1000)),
    sa.Column("last_cause", sa.String(1000)),
    sa.Column("claim", sa.String(24)),
    sa.Column("claimed_until", sa.Double),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("due_at", sa.Double, index=True),
    sa.Column("sent", sa.Integer, nullable=False, default=0),
    sa.Column("told_at", sa.Double),
    sa.Column("mail_error", sa.String(1000)),
    sa.Column("traceparent", sa.String(100)),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("changed_at", sa.Double, nullable=False),
    sa.Index("job_of_user", "username", "created_at"),
    sa.Index("job_in_state", "state", "changed_at"),
    # All that a quota looks at, so that it is measured without reading a row.
    sa.Index("job_in_quota", "username", "state", "due_at", "video_bytes", "mp3_bytes"),
)

upload_locks = sa.Table(
    "upload_lock",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
)
