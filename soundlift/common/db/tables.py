"""The tables of the database, each with the indexes that the queries use."""

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
    sa.Column("disabled", sa.Boolean, nullable=False, default=False, server_default="0"),
    # The user's own limits, each named after the setting that applies if it is NULL.
    sa.Column("max_upload_bytes", sa.BigInteger),
    sa.Column("max_jobs_in_flight", sa.BigInteger),
    sa.Column("max_stored_bytes", sa.BigInteger),
    sa.Column("max_uploads_per_hour", sa.BigInteger),
    sa.Column("max_minutes_per_day", sa.BigInteger),
)

# Links that let the owner of an address choose a password, from the request until they are used or expire.
password_links = sa.Table(
    "password_link",
    metadata,
    sa.Column("id", sa.String(24), primary_key=True),
    sa.Column("email", sa.String(254), nullable=False),
    sa.Column("purpose", sa.String(16), nullable=False),
    # SHA-256 in hexadecimal digits, and the end of the link's life; NULL until the email is being sent.
    sa.Column("token_hash", sa.String(64)),
    sa.Column("token_expires_at", sa.Double),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("due_at", sa.Double),  # when the event is next due; NULL once the email is sent
    sa.Column("delete_after", sa.Double, nullable=False),
    sa.Column("claim", sa.String(24)),
    sa.Column("claimed_until", sa.Double),
    sa.Index("password_link_of_address", "email"),
    sa.Index("password_link_due_at", "due_at"),
    sa.Index("password_link_delete_after", "delete_after"),
)

sessions = sa.Table(
    "session",
    metadata,
    sa.Column("id", sa.String(24), primary_key=True),
    sa.Column("username", sa.String(254), nullable=False),
    # SHA-256 in hexadecimal digits. No token itself is stored.
    sa.Column("token_hash", sa.String(64), nullable=False),
    sa.Column("previous_hash", sa.String(64)),
    sa.Column("rotated_at", sa.Double),  # when the current token replaced the previous one
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False),
    sa.Index("session_of_user", "username", "expires_at"),
    sa.Index("session_expires_at", "expires_at"),
)

# The API keys of programs; see auth/key_store.py. No key itself is stored.
api_keys = sa.Table(
    "api_key",
    metadata,
    sa.Column("id", sa.String(24), primary_key=True),
    sa.Column("username", sa.String(254), nullable=False),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("start", sa.String(8), nullable=False),  # the first characters of the key, for people
    sa.Column("key_hash", sa.String(64), nullable=False, unique=True),  # SHA-256 in hexadecimal digits
    sa.Column("scopes", sa.String(200), nullable=False),  # separated by spaces
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double),  # NULL if the key does not expire
    sa.Column("last_used_at", sa.Double),  # recorded at most once an hour
    sa.Column("revoked_at", sa.Double),
    sa.Column("delete_after", sa.Double),
    sa.Index("api_key_of_user", "username", "created_at", "id"),
    sa.Index("api_key_delete_after", "delete_after"),
)

attempts = sa.Table(
    "attempt",
    metadata,
    # HMAC-SHA-256 in hexadecimal digits of what is counted together, such as an account or a network.
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("locked_until", sa.Double, nullable=False),  # 0 without a lock
    sa.Column("expires_at", sa.Double, nullable=False),  # when the count is forgotten
    sa.Index("attempt_expires_at", "expires_at"),
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
    sa.Column("missing_seconds", sa.Double),
    sa.Column("reserved_seconds", sa.Double),  # converting: the expected length, in the quota of its owner
    sa.Column("waveform", sa.LargeBinary(1024)),  # peaks, one a byte; not among the columns that queries for jobs read
    sa.Column("options", sa.Text),
    sa.Column("percent", sa.Integer, nullable=False, default=0),
    sa.Column("error_code", sa.String(32)),
    sa.Column("error", sa.String(1000)),
    sa.Column("last_cause", sa.String(1000)),
    sa.Column("claim", sa.String(24)),
    sa.Column("claimed_until", sa.Double),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    # Of a video that the client sends to the media store itself: the size of its parts, and the store's reference of
    # the upload, which is NULL until it has begun there.
    sa.Column("part_bytes", sa.BigInteger),
    sa.Column("direct_upload", sa.Text),
    # Each of these is NULL except in the states that its comment names, so that its index finds only those jobs.
    sa.Column("upload_deadline", sa.Double),  # receiving: when an upload without new bytes counts as interrupted
    sa.Column("resend_at", sa.Double),  # queued, converting: when the event is next due
    sa.Column("turn", sa.BigInteger),  # queued: the round in which the job is to be converted; see jobs/turns.py
    # When the files of an expired or deleted job, or of an import without a video, may be deleted; NULL once they are.
    sa.Column("purge_after", sa.Double),
    sa.Column("resend_count", sa.Integer, nullable=False, default=0),
    sa.Column("traceparent", sa.String(100)),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("changed_at", sa.Double, nullable=False),
    sa.Column("ended_at", sa.Double),  # when the conversion ended; kept when the job expires
    # When anything that a job document shows last changed. Functions of an older release write no value.
    sa.Column("updated_at", sa.Double, nullable=False, server_default="0"),
    sa.Column("retried_at", sa.Double),
    sa.Column("retries", sa.Integer, nullable=False, server_default="0"),
    # What is in the audio file; NULL until the job is ready. Functions of an older release, which make MP3s, write no
    # values.
    sa.Column("format", sa.String(16)),
    sa.Column("codec", sa.String(32)),
    sa.Column("bitrate", sa.Integer),  # kbit/s, on average
    sa.Column("sample_rate", sa.Integer),  # Hz
    sa.Column("channels", sa.Integer),
    sa.Column("copied", sa.Boolean),
    # The seconds of the source between which a copy was really cut; NULL if it is not a copy, or not cut.
    sa.Column("cut_start", sa.Double),
    sa.Column("cut_end", sa.Double),
    # The URL that the video comes from, as it may be shown; NULL for an upload. The state of an import in progress is
    # `receiving` here, which functions of an older release know; see jobs/conditions.py.
    sa.Column("source_url", sa.String(1000)),
    # The id of the webhook that the upload names. Functions of an older release, which would refuse an option that they
    # do not know, find no trace of it in `options`.
    sa.Column("webhook", sa.String(24)),
    sa.Index("job_of_video", "video_fid"),
    sa.Index("job_by_age", "created_at", "id"),
    sa.Index("job_of_user", "username", "created_at", "id"),
    sa.Index("job_in_state", "state", "changed_at"),
    sa.Index("job_in_turn", "state", "turn", "changed_at"),
    sa.Index("job_of_user_in_turn", "username", "turn"),
    sa.Index("job_upload_deadline", "upload_deadline"),
    sa.Index("job_resend_at", "resend_at"),
    sa.Index("job_purge_after", "purge_after"),
    # All columns that a query for changes reads.
    sa.Index("job_update", "updated_at", "id", "state"),
    sa.Index("job_update_of_user", "username", "updated_at", "id", "state"),
    # All columns that a quota reads, so that measuring it reads no row.
    sa.Index("job_in_quota", "username", "state", "purge_after", "video_bytes", "mp3_bytes"),
)

# Deleted jobs, until every cursor that may have seen them is too old.
deletions = sa.Table(
    "deletion",
    metadata,
    sa.Column("job", sa.String(24), primary_key=True),
    sa.Column("username", sa.String(254), nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Index("deletion_update", "updated_at", "job"),
    sa.Index("deletion_update_of_user", "username", "updated_at", "job"),
)

# The imports in progress; the row is deleted when the import ends. Functions of an older release write no rows.
job_sources = sa.Table(
    "job_source",
    metadata,
    sa.Column("job", sa.String(24), primary_key=True),
    sa.Column("url", sa.Text, nullable=False),  # complete, so it may contain secrets
    sa.Column("is_named", sa.Boolean, nullable=False),  # whether the user has given the file a name
    sa.Column("claim", sa.String(24)),
    sa.Column("claimed_until", sa.Double),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due_at", sa.Double, nullable=False),  # when the event is next due
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("last_cause", sa.String(1000)),
    sa.Index("job_source_due_at", "due_at"),
)

# What each user uploaded and had converted in each recent minute since 1970; see jobs/recent.py.
usage_minutes = sa.Table(
    "usage_minute",
    metadata,
    sa.Column("username", sa.String(254), primary_key=True),
    sa.Column("minute", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("uploads", sa.Integer, nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
    sa.Index("usage_minute_by_age", "minute"),
)

notifications = sa.Table(
    "notification",
    metadata,
    sa.Column("job", sa.String(24), primary_key=True),
    sa.Column("channel", sa.String(16), primary_key=True),
    sa.Column("claim", sa.String(24)),
    sa.Column("claimed_until", sa.Double),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("due_at", sa.Double),  # when the event is next due; NULL once the notification is delivered or given up
    sa.Column("delivered_at", sa.Double),
    sa.Column("last_error", sa.String(1000)),
    sa.Index("notification_due_at", "due_at"),
)

# The endpoints of users that get webhooks; see webhooks/endpoints.py.
webhooks = sa.Table(
    "webhook",
    metadata,
    sa.Column("id", sa.String(24), primary_key=True),
    sa.Column("username", sa.String(254), nullable=False),
    sa.Column("url", sa.String(2048), nullable=False),
    sa.Column(
        "url_hash", sa.String(64), nullable=False
    ),  # SHA-256 in hexadecimal digits: URLs are too long for an index
    # In clear: a signature needs them (docs/webhooks.md, Secrets).
    sa.Column("secret", sa.String(100), nullable=False),
    sa.Column("previous_secret", sa.String(100)),  # signs too until `previous_until`, after a rotation
    sa.Column("previous_until", sa.Double),
    sa.Column("all_jobs", sa.Boolean, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("detail", sa.String(1000)),  # why it is failing or disabled
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("changed_at", sa.Double, nullable=False),
    # When the event of the mail to its owner is next due; NULL unless it has begun to fail.
    sa.Column("alert_due_at", sa.Double),
    sa.Column("alert_claim", sa.String(24)),
    sa.Column("alert_claimed_until", sa.Double),
    sa.UniqueConstraint("username", "url_hash", name="webhook_of_user"),
    sa.Index("webhook_alert_due_at", "alert_due_at"),
    sa.Index("webhook_previous_until", "previous_until"),
)

# One message to one endpoint; its id is the `webhook-id` of each attempt. See webhooks/deliveries.py.
webhook_deliveries = sa.Table(
    "webhook_delivery",
    metadata,
    sa.Column("id", sa.String(24), primary_key=True),
    sa.Column("webhook", sa.String(24), nullable=False),
    sa.Column("username", sa.String(254), nullable=False),
    sa.Column("job", sa.String(24)),  # NULL for a test
    sa.Column("type", sa.String(32), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),  # since it was created or last replayed
    sa.Column("due_at", sa.Double),  # when the next attempt may begin; NULL once it is delivered or given up
    sa.Column("resend_at", sa.Double),  # when the event is next due; NULL as `due_at`
    sa.Column("claim", sa.String(24)),
    sa.Column("claimed_until", sa.Double),
    sa.Column("delivered_at", sa.Double),
    sa.Column("last_status", sa.Integer),  # of the last response; NULL if there was none
    sa.Column("last_error", sa.String(1000)),
    sa.Index("webhook_delivery_of_webhook", "webhook", "created_at", "id"),
    sa.Index("webhook_delivery_of_job", "job"),
    sa.Index("webhook_delivery_resend_at", "resend_at"),
    sa.Index("webhook_delivery_due_of_user", "username", "due_at"),
    sa.Index("webhook_delivery_claimed_of_user", "username", "claimed_until"),
    sa.Index("webhook_delivery_by_age", "created_at"),
)

# The steps of jobs and of their notifications; see jobs/history.py. Functions of an older release write no rows.
job_history = sa.Table(
    "job_history",
    metadata,
    # SQLite numbers the rows of an INTEGER column only.
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("job", sa.String(24), nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("step", sa.String(32), nullable=False),
    sa.Column("attempt", sa.Integer),
    sa.Column("claim", sa.String(24)),
    sa.Column("detail", sa.String(1000)),
    sa.Index("job_history_of_job", "job", "id"),
)

# The keys that clients gave their uploads (Idempotency-Key), for a day.
upload_keys = sa.Table(
    "upload_key",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),  # SHA-256 of the user and the key, in hexadecimal digits
    sa.Column("username", sa.String(254), nullable=False),
    # SHA-256 of what was uploaded, and the job that it made; both are NULL if it was cancelled before it arrived.
    sa.Column("fingerprint", sa.String(64)),
    sa.Column("job", sa.String(24)),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Index("upload_key_of_job", "job"),
    sa.Index("upload_key_of_user", "username", "job"),
    sa.Index("upload_key_by_age", "created_at"),
)

upload_locks = sa.Table(
    "upload_lock",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
)

# Uploads that several requests send (functions/upload/resumable), and imports (jobs/import_parts.py), each with the id
# of its job. Imports belong to no user: `username` is empty.
resumable_uploads = sa.Table(
    "resumable_upload",
    metadata,
    sa.Column("id", sa.String(24), primary_key=True),
    sa.Column("username", sa.String(254), nullable=False),
    sa.Column("length", sa.BigInteger),  # bytes of the file; NULL until the client knows it
    sa.Column("received", sa.BigInteger, nullable=False),  # bytes that are stored for certain: the offset
    sa.Column("epoch", sa.BigInteger, nullable=False),  # of the only request that may write
    # The first bytes, until they show the format and the store has them.
    sa.Column("beginning", sa.LargeBinary(2**16)),
    # What the store needs to continue; NULL until it has a file.
    sa.Column("state", sa.LargeBinary(2**24 - 1)),  # text; MySQL's TEXT ends at 64 KiB
    sa.Column("metadata", sa.Text, nullable=False),  # the client's header Upload-Metadata; JSON for an import
    sa.Column("expires_at", sa.Double, nullable=False),
    sa.Column("arrived_at", sa.Double),  # when the last bytes were stored; NULL before that, and once there is a job
    sa.Index("resumable_upload_expires_at", "expires_at"),
    sa.Index("resumable_upload_arrived_at", "arrived_at"),
)
