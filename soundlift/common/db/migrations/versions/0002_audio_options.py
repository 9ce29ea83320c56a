"""Adds to jobs how their MP3 is to be made, and how much of their sound was lost."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add both columns, or what is missing: MySQL keeps each step of a migration that broke off."""
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("job")}
    for column in (sa.Column("options", sa.Text), sa.Column("lost", sa.Double)):
        if column.name not in there:
            op.add_column("job", column)
