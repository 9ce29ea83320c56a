"""A history and what is seen from outside, joined: each upload with its clip and its jobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from tests.chaos.accounts.uploads import Upload, read_uploads
from tests.chaos.accounts.webhooks import Received, read_webhooks
from tests.chaos.clips.clips import Clip
from tests.chaos.history import Fact
from tests.chaos.outside.view import Mail, Outside, SeenJob


@dataclass(frozen=True)
class Violation:
    """A promise that was not kept: the check that found it, what is wrong, and the upload and job that it is about."""

    check: str
    detail: str
    upload: str | None = None
    job: str | None = None


@dataclass(frozen=True)
class Books:
    """What the checks read. A job belongs to the upload whose file name it has, since each upload has its own."""

    facts: Sequence[Fact]
    clips: Mapping[int, Clip]
    outside: Outside

    @cached_property
    def uploads(self) -> dict[str, Upload]:
        return read_uploads(self.facts)

    @cached_property
    def faults(self) -> list[Fact]:
        return [fact for fact in self.facts if fact["kind"] == "fault"]

    @cached_property
    def webhooks(self) -> list[Received]:
        return read_webhooks(self.facts)

    @cached_property
    def with_endpoint(self) -> set[str]:
        """Return the users who have a webhook."""
        return {fact["user"] for fact in self.facts if fact["kind"] == "endpoint"}

    @cached_property
    def with_key(self) -> set[str]:
        """Return the users whose programs have an API key."""
        return {fact["user"] for fact in self.facts if fact["kind"] == "signed in" and fact["way"] == "key"}

    @cached_property
    def _by_file_name(self) -> dict[str, Upload]:
        return {upload.file_name: upload for upload in self.uploads.values()}

    @cached_property
    def _jobs_by_file_name(self) -> dict[str, list[SeenJob]]:
        jobs: dict[str, list[SeenJob]] = {}
        for seen in self.outside.jobs.values():
            jobs.setdefault(seen.job.file_name, []).append(seen)
        return jobs

    @cached_property
    def mails_by_job(self) -> dict[str, list[Mail]]:
        mails: dict[str, list[Mail]] = {}
        for mail in self.outside.mails:
            mails.setdefault(mail.job, []).append(mail)
        return mails

    def jobs_of(self, upload: Upload) -> list[SeenJob]:
        return self._jobs_by_file_name.get(upload.file_name, [])

    def clip_of(self, upload: Upload) -> Clip:
        return self.clips[upload.clip]

    def name_of(self, job_id: str) -> str | None:
        """Return the name of the upload that made a job, if it is known."""
        seen = self.outside.jobs.get(job_id)
        if seen and seen.job.file_name in self._by_file_name:
            return self._by_file_name[seen.job.file_name].name
        return next((upload.name for upload in self.uploads.values() if job_id in upload.accepted_jobs), None)

    def with_jobs(self) -> Iterator[tuple[Upload, SeenJob]]:
        """Yield each job that was uploaded, with its upload."""
        for seen in self.outside.jobs.values():
            if upload := self._by_file_name.get(seen.job.file_name):
                yield upload, seen

    def without_upload(self) -> Iterable[SeenJob]:
        """Yield the jobs that nobody uploaded."""
        return (seen for seen in self.outside.jobs.values() if seen.job.file_name not in self._by_file_name)
