"""What the answer to an upload promises: a job, or nothing at all."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.accounts.books import Books


def an_accepted_upload_has_its_job(books: Books) -> Iterator[tuple[str, str, str | None]]:
    for upload in books.uploads.values():
        for job in set(upload.accepted_jobs) - books.outside.jobs.keys():
            if not upload.may_have_done("delete"):
                yield f"the upload was answered with the job {job}, which is gone", upload.name, job


def a_refused_upload_leaves_no_job(books: Books) -> Iterator[tuple[str, str, str | None]]:
    for upload in books.uploads.values():
        if not upload.accepted_jobs and not upload.lost_answers:
            for seen in books.jobs_of(upload):
                statuses = ", ".join(str(answer.status) for answer in upload.answers)
                yield f"the upload was refused ({statuses}) but has a job", upload.name, seen.job.id


def a_key_makes_at_most_one_job(books: Books) -> Iterator[tuple[str, str, str | None]]:
    for upload in books.uploads.values():
        jobs = {*upload.accepted_jobs, *(seen.job.id for seen in books.jobs_of(upload))}
        if upload.key is not None and len(jobs) > 1:
            yield f"one key made the jobs {', '.join(sorted(jobs))}", upload.name, min(jobs)


def a_request_makes_at_most_one_job(books: Books) -> Iterator[tuple[str, str, str | None]]:
    for upload in books.uploads.values():
        known, jobs = len(set(upload.accepted_jobs)), books.jobs_of(upload)
        if upload.key is None and len(jobs) > known + upload.lost_answers:
            yield f"{known} answers named a job, but there are {len(jobs)}", upload.name, jobs[-1].job.id


def every_job_was_uploaded(books: Books) -> Iterator[tuple[str, str | None, str]]:
    for seen in books.without_upload():
        yield f"nobody uploaded {seen.job.file_name}", None, seen.job.id


def a_clip_that_must_be_refused_is_never_accepted(books: Books) -> Iterator[tuple[str, str, str | None]]:
    for upload in books.uploads.values():
        clip = books.clip_of(upload)
        if clip.refusals and upload.accepted_jobs and not upload.is_import:
            yield f"a clip of the kind {clip.kind} was accepted", upload.name, upload.accepted_jobs[0]


def an_acknowledged_offset_never_goes_back(books: Books) -> Iterator[tuple[str, str, None]]:
    for upload in books.uploads.values():
        highest: dict[str | None, int] = {}
        for part in upload.parts:
            if part.offset is not None:
                if part.offset < highest.get(part.id, 0):
                    yield f"{highest[part.id]} bytes were acknowledged, then {part.offset}", upload.name, None
                highest[part.id] = max(part.offset, highest.get(part.id, 0))


def an_upload_in_progress_is_not_lost(books: Books) -> Iterator[tuple[str, str, None]]:
    """Only a refusal, whose answer may be lost, or the owner ends an upload that has begun."""
    for upload in books.uploads.values():
        if not books.clip_of(upload).refusals:
            for part in upload.parts:
                if part.status in (404, 410) and part.method != "DELETE":
                    yield f"{part.method} for an upload in progress was answered {part.status}", upload.name, None


def a_deleted_job_is_gone(books: Books) -> Iterator[tuple[str, str, str | None]]:
    for upload in books.uploads.values():
        if upload.did("delete"):
            for seen in books.jobs_of(upload):
                yield f"its owner deleted the job, which is {seen.job.state}", upload.name, seen.job.id


def no_request_is_answered_with_500(books: Books) -> Iterator[tuple[str, str, str | None]]:
    for upload in books.uploads.values():
        for what in (what for what, statuses in upload.statuses.items() if 500 in statuses):
            yield f"the answer to {what} was 500", upload.name, None


def no_request_with_a_key_is_answered_with_401(books: Books) -> Iterator[tuple[str, str, str | None]]:
    for upload in books.uploads.values():
        if upload.user in books.with_key:
            for what in (what for what, statuses in upload.statuses.items() if 401 in statuses):
                yield f"the answer to {what} was 401", upload.name, None
