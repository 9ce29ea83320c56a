"""Many rows of 200 users, mostly of jobs that have expired, as statements for PostgreSQL, which plans by statistics."""

from __future__ import annotations

_job = "lpad(to_hex(n), 24, '0')"
_user = "'old' || n % 200 || '@example.org'"
_time = "1700000000 + n * 60"
OLD_ROWS = (
    f"""INSERT INTO job (id, username, state, file_name, content_type, video_fid, video_bytes, percent, attempts,
        resend_count, created_at, changed_at, updated_at)
        SELECT {_job}, {_user}, CASE n % 5 WHEN 0 THEN 'ready' ELSE 'expired' END, 'a.mp4', 'video/mp4', {_job}, 1, 100,
        1, 0, {_time}, {_time}, {_time} FROM generate_series(1, 2000) AS n""",
    f"INSERT INTO job_history (job, at, step) SELECT {_job}, {_time}, 'queued' FROM generate_series(1, 2000) AS n",
    f"""INSERT INTO notification (job, channel, attempts, delivered_at)
        SELECT {_job}, 'mail', 1, {_time} FROM generate_series(1, 2000) AS n""",
    f"""INSERT INTO deletion (job, username, updated_at)
        SELECT {_job}, {_user}, {_time} FROM generate_series(1, 2000) AS n""",
    f"""INSERT INTO session (id, username, token_hash, created_at, expires_at)
        SELECT {_job}, {_user}, '', {_time}, {_time} + 1e9 FROM generate_series(1, 2000) AS n""",
    """INSERT INTO "user" (email, password, admin)
        SELECT 'old' || n || '@example.org', '', false FROM generate_series(1, 2000) AS n""",
    f"""INSERT INTO usage_minute (username, minute, uploads, seconds)
        SELECT {_user}, {_time}, 1, 1 FROM generate_series(1, 2000) AS n""",
    f"""INSERT INTO upload_key (id, username, job, created_at)
        SELECT {_job}, {_user}, {_job}, {_time} FROM generate_series(1, 2000) AS n""",
    "ANALYZE",
)
