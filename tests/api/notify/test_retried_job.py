"""notify: one mail for each outcome of a job that is retried, even while a mail is being sent."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from devservers.mail_server import MailServer
from soundlift.common.services import Services
from tests.api.notify.conftest import Notify
from tests.factories.jobs import failed_job, is_notified, job_now
from tests.factories.problems import assert_problem
from tests.jobs.steps import NO_LIMITS


def _fail_again(services: Services, job_id: str) -> None:
    job = services.jobs.retry(job_now(services, job_id), NO_LIMITS)
    assert job is not None
    claim = services.jobs.claim(job)
    assert claim is not None
    assert services.jobs.mark_failed(claim, code="broken", message="The second reason.")


def test_each_outcome_of_a_retried_job_gets_one_mail_with_its_own_message_id(
    notify: Notify, services: Services, mail_server: MailServer
) -> None:
    job = failed_job(services, "The first reason.")
    for _ in range(2):
        assert notify(job).status_code == 204
    _fail_again(services, job.id)
    for _ in range(2):
        assert notify(job).status_code == 204
    texts = [mail.as_string() for mail in mail_server.messages]
    assert [("first reason" in text, "second reason" in text) for text in texts] == [(True, False), (False, True)]
    assert len({mail["Message-ID"] for mail in mail_server.messages}) == 2


def test_a_retry_before_the_mail_of_the_first_outcome_leaves_only_the_second_one(
    notify: Notify, services: Services, mail_server: MailServer
) -> None:
    job = failed_job(services, "The first reason.")
    _fail_again(services, job.id)
    assert notify(job).status_code == 204
    assert "second reason" in mail_server.messages[0].as_string()
    assert len(mail_server.messages) == 1


def test_a_retry_after_a_mail_was_claimed_does_not_send_the_mail_of_the_next_outcome_twice(
    notify: Notify, services: Services, mail_server: MailServer
) -> None:
    job, rival = failed_job(services, "The first reason."), Services(services.settings)
    reads: list[str] = []

    def retry_before_first_read(_: object, __: object, statement: str, *___: Any) -> None:
        if statement.startswith("SELECT") and "FROM job" in statement:
            reads.append(statement)
            if len(reads) == 1:
                _fail_again(rival, job.id)

    sa.event.listen(services.database.engine, "before_cursor_execute", retry_before_first_read)
    assert_problem(notify(job), 429, code="busy")
    assert mail_server.messages == []
    assert notify(job).status_code == 204
    assert ["second reason" in mail.as_string() for mail in mail_server.messages] == [True]
    assert is_notified(services, job.id)
    rival.database.engine.dispose()
