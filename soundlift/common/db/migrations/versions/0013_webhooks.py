"""Create the tables of webhooks and of their deliveries."""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

WEBHOOK_INDEXES = {"webhook_alert_due_at": ["alert_due_at"], "webhook_previous_until": ["previous_until"]}
DELIVERY_INDEXES = {
    "webhook_delivery_of_webhook": ["webhook", "created_at", "id"],
    "webhook_delivery_of_job": ["job"],
    "webhook_delivery_resend_at": ["resend_at"],
    "webhook_delivery_due_of_user": ["username", "due_at"],
    "webhook_delivery_claimed_of_user": ["username", "claimed_until"],
    "webhook_delivery_by_age": ["created_at"],
}
MYSQL = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def upgrade() -> None:
    """Create what is missing: MySQL keeps each statement of an interrupted migration."""
    op.create_table(
        "webhook",
        sa.Column("id", sa.String(24), primary_key=True),
        sa.Column("username", sa.String(254), nullable=False),
        sa.Column("url", sa.String(2048), nullable=False),
        sa.Column("url_hash", sa.String(64), nullable=False),
        sa.Column("secret", sa.String(100), nullable=False),
        sa.Column("previous_secret", sa.String(100)),
        sa.Column("previous_until", sa.Double),
        sa.Column("all_jobs", sa.Boolean, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("detail", sa.String(1000)),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("changed_at", sa.Double, nullable=False),
        sa.Column("alert_due_at", sa.Double),
        sa.Column("alert_claim", sa.String(24)),
        sa.Column("alert_claimed_until", sa.Double),
        sa.UniqueConstraint("username", "url_hash", name="webhook_of_user"),
        if_not_exists=True,
        **MYSQL,
    )
    op.create_table(
        "webhook_delivery",
        sa.Column("id", sa.String(24), primary_key=True),
        sa.Column("webhook", sa.String(24), nullable=False),
        sa.Column("username", sa.String(254), nullable=False),
        sa.Column("job", sa.String(24)),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", sa.Double),
        sa.Column("resend_at", sa.Double),
        sa.Column("claim", sa.String(24)),
        sa.Column("claimed_until", sa.Double),
        sa.Column("delivered_at", sa.Double),
        sa.Column("last_status", sa.Integer),
        sa.Column("last_error", sa.String(1000)),
        if_not_exists=True,
        **MYSQL,
    )
    _create_indexes("webhook", WEBHOOK_INDEXES)
    _create_indexes("webhook_delivery", DELIVERY_INDEXES)


def _create_indexes(table: str, indexes: Mapping[str, Sequence[str]]) -> None:
    existing = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}
    for name in indexes.keys() - existing:
        op.create_index(name, table, list(indexes[name]))
