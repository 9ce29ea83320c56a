"""Add the waveform of a job's audio."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column unless it exists: MySQL keeps each statement of an interrupted migration."""
    if all(column["name"] != "waveform" for column in sa.inspect(op.get_bind()).get_columns("job")):
        op.add_column("job", sa.Column("waveform", sa.LargeBinary(1024)))
