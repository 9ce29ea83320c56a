"""Let a job name a webhook."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add the column unless it exists: for a while, migration 0013 added it."""
    if "webhook" not in {column["name"] for column in sa.inspect(op.get_bind()).get_columns("job")}:
        op.add_column("job", sa.Column("webhook", sa.String(24)))
