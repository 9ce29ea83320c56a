"""The store of jobs, measured: each of its steps is counted, whoever takes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from soundlift.common.db.engine import Database
from soundlift.common.errors import DatabaseUnavailable, UploadSuperseded
from soundlift.common.jobs.history_entry import Step
from soundlift.common.jobs.model import AudioDescription, Claim, ImportClaim, Job, StoredPart
from soundlift.common.jobs.quota import Reservation
from soundlift.common.jobs.store import Jobs
from soundlift.common.metrics.measured_attempts import FAILED, LOST, RELEASED, MeasuredAttempts
from soundlift.common.metrics.metrics import Metrics
from soundlift.common.metrics.stopwatches import Stopwatches

READY, IMPORTED = "ready", "imported"

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def _counted(step: Step, method: Callable[Concatenate[Jobs, Arguments], Result]) -> Any:
    """Return a method that counts a step if the store took it, which is when the method returns something true."""

    @wraps(method)
    def measured(self: MeasuredJobs, /, *arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        result = method(self, *arguments, **named)
        if result:
            self.metrics.job_steps.labels(step).inc()
        return result

    return measured


class MeasuredJobs(Jobs):
    """Jobs whose steps are counted under the names that the history of a job has for them."""

    def __init__(self, database: Database, metrics: Metrics) -> None:
        super().__init__(database)
        self.metrics = metrics
        self._uploads = Stopwatches()
        self._conversions = MeasuredAttempts(metrics.conversions, success=READY)
        self._imports = MeasuredAttempts(metrics.imports, success=IMPORTED)

    adopt = _counted(Step.ADOPTED, Jobs.adopt)
    roll_back = _counted(Step.UPLOAD_FAILED, Jobs.roll_back)
    abandon = _counted(Step.UPLOAD_INTERRUPTED, Jobs.abandon)
    take_over = _counted(Step.UPLOAD_REPLACED, Jobs.take_over)
    cancel_upload = _counted(Step.UPLOAD_CANCELLED, Jobs.cancel_upload)
    cancel = _counted(Step.CANCELLED, Jobs.cancel)
    postpone_import = _counted(Step.EVENT_RESENT, Jobs.postpone_import)
    send_import_soon = _counted(Step.EVENT_UNSENT, Jobs.send_import_soon)
    request_import = _counted(Step.IMPORTING, Jobs.request_import)
    retry = _counted(Step.RETRIED, Jobs.retry)
    expire = _counted(Step.EXPIRED, Jobs.expire)
    mark_disposed = _counted(Step.FILES_DELETED, Jobs.mark_disposed)
    delete = _counted(Step.DELETED, Jobs.delete)
    postpone = _counted(Step.EVENT_RESENT, Jobs.postpone)
    send_soon = _counted(Step.EVENT_UNSENT, Jobs.send_soon)

    def receive(self, *arguments: Any, **named: Any) -> Job:
        """Count and time an upload."""
        job = super().receive(*arguments, **named)
        self._uploads.start(job.id)
        self._count_step(Step.RECEIVING)
        return job

    def queue(self, job_id: str, *, video_bytes: int, options: str | None = None) -> Job | None:
        """Measure an upload."""
        job = super().queue(job_id, video_bytes=video_bytes, options=options)
        seconds = self._uploads.stop(job_id)
        if job:
            self._count_step(Step.QUEUED)
            self.metrics.upload_bytes.observe(video_bytes)
            if seconds is not None:
                self.metrics.upload_seconds.observe(seconds)
        return job

    def claim(self, job: Job) -> Claim | None:
        """Begin to time a conversion."""
        claim = super().claim(job)
        if claim:
            self._conversions.start(claim.token)
            self._count_step(Step.CLAIMED)
        return claim

    def renew(self, claim: Claim, *, percent: int) -> bool:
        """Count renewals that fail, and claims that turn out to be lost."""
        with self._counting_failed_renewals():
            renewed = super().renew(claim, percent=percent)
        if not renewed:
            self._conversions.end(claim.token, LOST)
        return renewed

    def mark_ready(self, claim: Claim, *, audio: AudioDescription, length: float, **named: Any) -> bool:
        """Measure a conversion."""
        ready = super().mark_ready(claim, audio=audio, length=length, **named)
        seconds = self._conversions.end(claim.token, READY if ready else LOST)
        if ready:
            self._count_step(Step.READY)
            if seconds:
                self._measure_audio(audio, length, seconds)
        return ready

    def mark_failed(self, claim: Claim, *, code: str, message: str) -> bool:
        """Count a conversion under the code of its failure."""
        failed = super().mark_failed(claim, code=code, message=message)
        if failed:
            self._conversions.end(claim.token, FAILED, code)
            self._count_step(Step.FAILED)
        else:
            self._conversions.end(claim.token, LOST)
        return failed

    def release(self, claim: Claim, *, cause: str) -> bool:
        """Count an attempt to convert that another one has to repeat."""
        released = super().release(claim, cause=cause)
        if released:
            self._conversions.end(claim.token, RELEASED)
            self._count_step(Step.RELEASED)
        return released

    def give_up(self, job: Job) -> bool:
        """Count a failure whose last attempt ended without a word."""
        gave_up = super().give_up(job)
        if gave_up:
            self._conversions.give_up()
            self._count_step(Step.GAVE_UP)
        return gave_up

    def claim_import(self, job: Job, *, limit: int = 0, continues: bool = False) -> ImportClaim | None:
        """Begin to time an import."""
        claim = super().claim_import(job, limit=limit, continues=continues)
        if claim:
            self._imports.start(claim.token)
            self._count_step(Step.IMPORT_CLAIMED)
        return claim

    def renew_import(self, claim: ImportClaim, *, percent: int) -> bool:
        """Count renewals that fail, and claims that turn out to be lost."""
        with self._counting_failed_renewals():
            renewed = super().renew_import(claim, percent=percent)
        if not renewed:
            self._imports.end(claim.token, LOST)
        return renewed

    def reserve_import(self, claim: ImportClaim, username: str, more: Reservation) -> bool:
        """Count claims that turn out to be lost."""
        reserved = super().reserve_import(claim, username, more)
        if not reserved:
            self._imports.end(claim.token, LOST)
        return reserved

    def save_import(self, claim: ImportClaim, part: StoredPart) -> None:
        """Count claims that turn out to be lost."""
        try:
            super().save_import(claim, part)
        except UploadSuperseded:
            self._imports.end(claim.token, LOST)
            raise

    def finish_import(self, claim: ImportClaim, *, video_bytes: int, **named: Any) -> Job | None:
        """Measure an import."""
        job = super().finish_import(claim, video_bytes=video_bytes, **named)
        seconds = self._imports.end(claim.token, IMPORTED if job else LOST)
        if job:
            self._count_step(Step.QUEUED)
            self.metrics.import_bytes.observe(video_bytes)
            if seconds is not None:
                self.metrics.import_seconds.observe(seconds)
        return job

    def fail_import(self, claim: ImportClaim, *, code: str, message: str) -> bool:
        """Count an import under the code of its failure."""
        failed = super().fail_import(claim, code=code, message=message)
        if failed:
            self._imports.end(claim.token, FAILED, code)
            self._count_step(Step.IMPORT_FAILED)
        else:
            self._imports.end(claim.token, LOST)
        return failed

    def release_import(
        self, claim: ImportClaim, *, cause: str, after: float | None = None, keeps_part: bool = False
    ) -> bool:
        """Count an attempt to import that another one has to repeat."""
        released = super().release_import(claim, cause=cause, after=after, keeps_part=keeps_part)
        self._imports.end(claim.token, RELEASED if released else LOST)
        if released:
            self._count_step(Step.IMPORT_RELEASED)
        return released

    def give_up_import(self, job: Job) -> bool:
        """Count an import whose attempts or time are used up."""
        gave_up = super().give_up_import(job)
        if gave_up:
            self._imports.give_up()
            self._count_step(Step.GAVE_UP)
        return gave_up

    @contextmanager
    def _counting_failed_renewals(self) -> Iterator[None]:
        try:
            yield
        except DatabaseUnavailable:
            self.metrics.heartbeat_failures.inc()
            raise

    def _count_step(self, step: Step) -> None:
        self.metrics.job_steps.labels(step).inc()

    def _measure_audio(self, audio: AudioDescription, length: float, seconds: float) -> None:
        method = "copied" if audio.copied else "encoded"
        self.metrics.conversion_seconds.labels(audio.format, method).observe(seconds)
        self.metrics.audio_seconds.labels(audio.format, method).inc(length)
        self.metrics.times_real_time.labels(method).observe(length / seconds)
