"""The steps of workers that import videos, each of which needs a valid claim; see import_requests.py for the others."""

from __future__ import annotations

import secrets
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.db.clock import now
from soundlift.common.db.tables import job_sources as sources
from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.conditions import is_import, next_update
from soundlift.common.jobs.history import record, take_step
from soundlift.common.jobs.history_entry import Step
from soundlift.common.jobs.import_parts import forget_part, save_part, take_part
from soundlift.common.jobs.import_requests import (
    ImportRequestSteps,
    count_claimed,
    forget_source,
    has_source,
    is_exhausted_source,
    is_unclaimed_source,
    read_job,
)
from soundlift.common.jobs.model import (
    CLAIM_SECONDS,
    FIRST_RESEND_SECONDS,
    IMPORT_RETRY_SECONDS,
    MAX_MESSAGE_LENGTH,
    ImportClaim,
    Job,
    State,
    StoredPart,
)
from soundlift.common.jobs.quota import Reservation, admit_bytes
from soundlift.common.jobs.turns import turn_of
from soundlift.common.jobs.user_lock import lock_user
from soundlift.common.media import new_media_id


class PartLost(Exception):
    """A claim of an import that cannot continue any more, which therefore has no effect."""


class ImportSteps(ImportRequestSteps):
    """The steps of workers that import videos. Every method raises DatabaseUnavailable."""

    def claim_import(self, job: Job, *, limit: int = 0, continues: bool = False) -> ImportClaim | None:
        """Claim an import that nobody works on; None if another worker was first.

        None also if its owner has `limit` claimed imports; 0 means no limit. The row must name the same file as in
        `job`. If the import `continues`, that file remains; otherwise, the caller has deleted it, and the video gets a
        new id.
        """
        token, fid = secrets.token_hex(12), job.video_fid if continues else new_media_id()
        unchanged = table.c.id == job.id, is_import(), table.c.video_fid == job.video_fid
        lock = sa.select(table.c.id).where(*unchanged).with_for_update()
        begin = self._change(job.id, video_fid=fid, video_bytes=0, percent=0, updated_at=next_update)
        same_file = self._change(job.id, updated_at=next_update)
        mine = sa.and_(sources.c.job == job.id, is_unclaimed_source, sa.not_(is_exhausted_source))
        take = (
            sa.update(sources)
            .where(mine)
            .values(claim=token, claimed_until=now() + CLAIM_SECONDS, attempts=sources.c.attempts + 1, due_at=now())
        )

        def claim(connection: Connection) -> ImportClaim | None:
            if limit:
                lock_user(connection, job.username)  # concurrent claims could exceed the limit together
                if count_claimed(connection, job.username) >= limit:
                    return None
            # A worker that renews its claim at the last moment keeps it, and the job must still name its file.
            if connection.scalar(lock) is None or not connection.execute(take).rowcount:
                return None
            connection.execute(same_file if continues else begin)
            epoch, part = take_part(connection, job.id, fid)
            if continues and part is None:
                raise PartLost
            work = connection.execute(sa.select(sources).where(sources.c.job == job.id)).one()
            record(connection, job.id, Step.IMPORT_CLAIMED, attempt=sa.literal(work.attempts), claim=token)
            return ImportClaim(job.id, token, fid, work.url, bool(work.is_named), work.attempts, epoch, part)

        try:
            return self._database.transact(claim)
        except PartLost:
            return None

    def save_import(self, claim: ImportClaim, part: StoredPart) -> None:
        """Record what is stored of an import, from which moment on it is never lost; raises UploadSuperseded."""
        self._database.transact(lambda connection: save_part(connection, claim, part))

    def fence_import(self, job: Job) -> bool | None:
        """Raise the epoch of an import that waits for a worker; return whether what is stored of it can be continued.

        None if another worker has claimed it, or its row does not name the same file as when it was read. This waits
        for a transaction that began to end the import before its claim lapsed; afterwards, no earlier worker can store
        more, so that the caller may delete a file that cannot be continued.
        """
        waits = sa.and_(sources.c.job == job.id, is_unclaimed_source)
        unchanged = is_import(), table.c.video_fid == job.video_fid, has_source(waits)
        same_file = self._change(job.id, *unchanged, video_fid=job.video_fid)

        def fence(connection: Connection) -> bool | None:
            if not connection.execute(same_file).rowcount:
                return None
            _, part = take_part(connection, job.id, job.video_fid)
            return part is not None

        return self._database.transact(fence)

    def renew_import(self, claim: ImportClaim, *, percent: int) -> bool:
        """Renew a claim and record the progress; return False if the import is no longer ours."""
        step = self._change(
            claim.job_id, is_import(), table.c.percent < percent, percent=percent, updated_at=next_update
        )
        renewal = sa.update(sources).where(_holds(claim)).values(claimed_until=now() + CLAIM_SECONDS)

        def renew(connection: Connection) -> bool:
            connection.execute(step.where(has_source(_holds(claim))))
            return connection.execute(renewal).rowcount == 1

        return self._database.transact(renew)

    def reserve_import(self, claim: ImportClaim, username: str, more: Reservation) -> bool:
        """Count more bytes for an import; return False if it is no longer ours. Raises StorageFull."""
        size = sa.func.coalesce(table.c.video_bytes, 0) + more.size
        step = self._change(claim.job_id, is_import(), has_source(_holds(claim)), video_bytes=size)

        def admit_and_count(connection: Connection) -> bool:
            admit_bytes(connection, claim.job_id, username, more)
            return connection.execute(step).rowcount == 1

        return self._database.transact(admit_and_count)

    def finish_import(
        self, claim: ImportClaim, *, video_bytes: int, file_name: str | None, content_type: str | None
    ) -> Job | None:
        """Move importing → queued and return the job; None if the import is no longer ours.

        The store must have the complete video. A `file_name` or a `content_type` replaces the earlier one. After
        DatabaseUnavailable, the job may be queued nevertheless.
        """
        new = {"file_name": file_name, "content_type": content_type}
        update = self._transition(
            claim.job_id,
            State.QUEUED,
            is_import(),
            has_source(_holds(claim)),
            table.c.video_fid == claim.video_fid,  # after a wait, PostgreSQL sees changes of this row only
            video_bytes=video_bytes,
            percent=0,
            resend_at=now() + FIRST_RESEND_SECONDS,
            **{name: value for name, value in new.items() if value},
        )

        def queue_and_read(connection: Connection) -> Job | None:
            in_turn = update.values(turn=turn_of(connection, claim.job_id))
            if not take_step(connection, in_turn, claim.job_id, Step.QUEUED, claim=claim.token):
                return None
            forget_source(connection, claim.job_id)
            return read_job(connection, claim.job_id)

        return self._database.transact(queue_and_read)

    def fail_import(self, claim: ImportClaim, *, code: str, message: str) -> bool:
        """Move importing → failed, for the reason in the message; its owner is notified."""
        return self._end_import(claim.job_id, _holds(claim), code, message, Step.IMPORT_FAILED, claim=claim.token)

    def release_import(
        self, claim: ImportClaim, *, cause: str, after: float | None = None, keeps_part: bool = False
    ) -> bool:
        """Let go of an import, so that another attempt follows; return False if it is no longer ours.

        It continues what is stored if the import `keeps_part`; otherwise, the caller deletes that.
        It follows after the usual pause or `after` seconds, whichever is longer. Without `after`, it is due
        immediately, and this attempt does not count: neither the server nor the file was the cause.
        """
        usual = IMPORT_RETRY_SECONDS[min(claim.attempts, len(IMPORT_RETRY_SECONDS)) - 1]
        pause, counted = (0.0, 0) if after is None else (max(after, usual), 1)
        count = sources.c.attempts - 1 + counted
        step = (
            sa.update(sources)
            .where(sources.c.job == claim.job_id, sources.c.claim == claim.token)
            .values(
                claim=None,
                claimed_until=None,
                attempts=count,
                due_at=now() + pause,
                last_cause=cause[:MAX_MESSAGE_LENGTH],
            )
        )
        entry: dict[str, Any] = {"attempt": sa.literal(claim.attempts), "claim": claim.token, "detail": cause}

        cleared = {} if keeps_part else {"percent": 0, "video_bytes": 0}
        clear = self._change(claim.job_id, is_import(), updated_at=next_update, **cleared)

        def release(connection: Connection) -> bool:
            connection.execute(clear.where(has_source(_holds(claim))))
            released = take_step(connection, step, claim.job_id, Step.IMPORT_RELEASED, **entry)
            if released and not keeps_part:
                forget_part(connection, claim.job_id)
            return released

        return self._database.transact(release)


def _holds(claim: ImportClaim) -> sa.ColumnElement[bool]:
    valid = sources.c.claim == claim.token, sources.c.claimed_until > now()
    return sa.and_(sources.c.job == claim.job_id, *valid)
