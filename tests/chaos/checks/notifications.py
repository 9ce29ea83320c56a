"""What the owner of a job is told by mail: its outcome, at least once, and never another one."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.accounts.books import Books
from tests.chaos.accounts.interruptions import NOTIFYING, interruptions, unexplained
from tests.chaos.checks.outcomes import Found
from tests.chaos.outside.view import Mail


def an_owner_is_notified_of_the_outcome(books: Books) -> Found:
    """A retry may have been accepted without an answer, so the mail may be about one more than the owner knows of."""
    for upload, seen in books.with_jobs():
        if seen.job.state not in ("ready", "failed"):
            continue
        known, possible = upload.did("retry"), upload.may_have_done("retry")
        mails = books.mails_by_job.get(seen.job.id, [])
        if not any(mail.outcome == seen.job.state and known <= mail.retry <= possible for mail in mails):
            received = ", ".join(f"{mail.outcome} {mail.retry}" for mail in mails) or "none"
            yield f"no mail says that the job is {seen.job.state}; received: {received}", upload.name, seen.job.id


def an_owner_is_not_notified_of_two_outcomes(books: Books) -> Iterator[tuple[str, str | None, str]]:
    """Each retry has an outcome of its own."""
    told: dict[tuple[str, int], set[str]] = {}
    for mail in books.outside.mails:
        told.setdefault((mail.job, mail.retry), set()).add(mail.outcome)
    for (job, _), outcomes in told.items():
        if len(outcomes) > 1:
            yield f"the mails say {' and '.join(sorted(outcomes))}", books.name_of(job), job


def a_mail_is_repeated_only_after_an_interruption(books: Books) -> Iterator[tuple[str, str | None, str]]:
    periods = interruptions(books.faults, NOTIFYING)
    for (job, outcome, _), mails in _equal_mails(books).items():
        if count := unexplained(mails, periods):
            detail = f"{len(mails)} mails say that the job is {outcome}; no interruption explains {count} of them"
            yield detail, books.name_of(job), job


def a_mail_goes_to_the_owner(books: Books) -> Found:
    for upload, seen in books.with_jobs():
        for mail in books.mails_by_job.get(seen.job.id, []):
            if mail.recipient != upload.user:
                yield f"a mail went to {mail.recipient} instead of {upload.user}", upload.name, seen.job.id


def a_mail_is_about_a_job_that_was_uploaded(books: Books) -> Iterator[tuple[str, None, str]]:
    """A job that nobody got an answer about cannot have been deleted, so it is among those that are seen."""
    for job in books.mails_by_job:
        if job not in books.outside.jobs and books.name_of(job) is None:
            yield "a mail is about a job that nobody uploaded", None, job


def _equal_mails(books: Books) -> dict[tuple[str, str, int], list[Mail]]:
    equal: dict[tuple[str, str, int], list[Mail]] = {}
    for mail in books.outside.mails:
        equal.setdefault((mail.job, mail.outcome, mail.retry), []).append(mail)
    return equal
