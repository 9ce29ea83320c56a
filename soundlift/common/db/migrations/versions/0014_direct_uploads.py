"""Add what is known of the uploads that clients send to the media store themselves."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

# NULL in the rows of all other uploads, among them those of functions of an older release.
COLUMNS: list[sa.Column[Any]] = [sa.Column("part_bytes", sa.BigInteger), sa.Column("direct_upload", sa.Text)]


def upgrade() -> None:
    """Add what is missing: MySQL keeps each statement of an interrupted migration."""
    existing = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("job")}
    for column in COLUMNS:
        if column.name not in existing:
            op.add_column("job", column)
