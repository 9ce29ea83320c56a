"""Describe the audio files of jobs."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

# NULL in the rows of jobs that became ready before: their audio files are MP3s; see jobs/conditions.py.
COLUMNS: list[sa.Column[Any]] = [
    sa.Column("format", sa.String(16)),
    sa.Column("codec", sa.String(32)),
    sa.Column("bitrate", sa.Integer),
    sa.Column("sample_rate", sa.Integer),
    sa.Column("channels", sa.Integer),
    sa.Column("copied", sa.Boolean),
    sa.Column("cut_start", sa.Double),
    sa.Column("cut_end", sa.Double),
]


def upgrade() -> None:
    """Add what is missing: MySQL keeps each statement of an interrupted migration."""
    existing = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("job")}
    for column in COLUMNS:
        if column.name not in existing:
            op.add_column("job", column)
