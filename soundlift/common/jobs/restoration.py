"""The steps of jobs whose files are missing, as after a backup was restored; see store.py for the state machine."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.db.clock import now
from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.conditions import is_unclaimed
from soundlift.common.jobs.deletions import take_step_and_drop_notifications
from soundlift.common.jobs.history_entry import Step
from soundlift.common.jobs.imports import ImportSteps
from soundlift.common.jobs.model import AUDIO_LOST, VIDEO_LOST, Job, State
from soundlift.common.jobs.turns import turn_of
from soundlift.common.notifications.rows import add_notifications

VIDEO_LOST_MESSAGE = "This server has lost the uploaded video before it was converted. Upload it again."
AUDIO_LOST_MESSAGE = "This server has lost the audio file and the video. Upload the video again."
# What only a job with an audio file has.
AUDIO_COLUMNS = (
    *("mp3_bytes", "length", "missing_seconds", "waveform", "ended_at"),
    *("format", "codec", "bitrate", "sample_rate", "channels", "copied", "cut_start", "cut_end"),
)


class RestorationSteps(ImportSteps):
    """The steps of jobs whose files are missing. Every method raises DatabaseUnavailable."""

    def fail_without_video(self, job: Job) -> bool:
        """Move queued, or converting with a lapsed claim → failed: the store does not have the job's video."""
        values: dict[str, Any] = {"error_code": VIDEO_LOST, "error": VIDEO_LOST_MESSAGE}
        return self._end(job.id, Step.VIDEO_LOST, is_unclaimed(), **values)

    def fail_without_audio(self, job: Job) -> bool:
        """Move ready → failed: the store has neither the job's audio file nor its video. Its owner is notified."""
        error = {"error_code": AUDIO_LOST, "error": AUDIO_LOST_MESSAGE}
        update = self._without_audio(job, State.FAILED).values(ended_at=now(), **error)

        def end_and_notify(connection: Connection) -> bool:
            entry = {"detail": AUDIO_LOST_MESSAGE}
            ended = take_step_and_drop_notifications(connection, update, job.id, Step.AUDIO_LOST, **entry)
            if ended:
                add_notifications(connection, job.id)
            return ended

        return self._database.transact(end_and_notify)

    def convert_again(self, job: Job) -> bool:
        """Move ready → queued: the store does not have the job's audio file, but its video.

        As after a retry, the next outcome gets its own events and notifications: its audio file has another link.
        """
        update = self._without_audio(job, State.QUEUED).values(
            attempts=0,
            percent=0,
            resend_at=now(),
            resend_count=0,
            retried_at=now(),
            retries=table.c.retries + 1,
        )

        def queue_again(connection: Connection) -> bool:
            in_turn = update.values(turn=turn_of(connection, job.id))
            return take_step_and_drop_notifications(connection, in_turn, job.id, Step.AUDIO_LOST)

        return self._database.transact(queue_again)

    def resend_soon(self, job_ids: Collection[str]) -> int:
        """Make the events of those of these jobs that are queued due immediately; return how many were not yet."""
        queued = table.c.id.in_(job_ids), table.c.state == State.QUEUED, table.c.resend_at > now()
        return self._database.change(sa.update(table).where(*queued).values(resend_at=now()))

    def _without_audio(self, job: Job, state: State) -> sa.Update:
        unchanged = table.c.state == State.READY, table.c.mp3_fid == job.mp3_fid
        return self._transition(job.id, state, *unchanged, **dict.fromkeys(AUDIO_COLUMNS))
