"""What the accountant must not report, because it was never promised otherwise."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.chaos.small_run import Run, action, fault, mail, response, upload


def lost_answer_without_a_job(run: Run) -> None:
    run.facts += [upload("lost"), response("lost", None)]


def lost_answer_with_a_job(run: Run) -> None:
    lost_answer_without_a_job(run)
    run.add("j3", "lost.mp4")


def an_answer_repeated_for_a_key(run: Run) -> None:
    run.facts += [upload("good", request=2), response("good", 202, "j1", request=2)]


def a_job_deleted_by_its_owner(run: Run) -> None:
    run.facts.append(action("delete", "good", "j1", 204))
    run.remove("j1")


def a_deletion_whose_answer_was_lost(run: Run) -> None:
    run.facts.append(action("delete", "good", "j1", None))
    run.end("j1", "cancelled")


def a_cancellation_answered_with_503(run: Run) -> None:
    run.facts.append(action("cancel", "good", "j1", 503))
    run.end("j1", "cancelled")


def a_failure_that_was_retried(run: Run) -> None:
    states = ("failed", "queued", "ready")
    run.facts.append(action("retry", "good", "j1", None))
    run.facts += [{"at": 3.0, "kind": "seen", "upload": "good", "job": "j1", "state": state} for state in states]


def a_job_cancelled_by_its_owner(run: Run) -> None:
    run.facts.append(action("cancel", "good", "j1", 200))
    run.end("j1", "cancelled")


def a_job_given_up_after_a_kill(run: Run) -> None:
    run.facts.append(fault("kill", target="convert"))
    run.end("j1", "failed", "gave_up")
    run.mails.append(mail("j1", "failed"))


def a_retried_job_with_a_mail_of_each_outcome(run: Run) -> None:
    run.facts.append(action("retry", "broken", "j2", 202))
    run.mails.append(mail("j2", "failed", retry=1))


def a_mail_repeated_after_a_kill(run: Run) -> None:
    run.facts.append(fault("kill"))
    run.mails.append(mail("j1"))


def a_mail_repeated_soon_after_its_sending_was_interrupted(run: Run) -> None:
    run.facts.append(fault("read only", at=10.0, target="database"))
    run.mails[0] = mail("j1", at=9.0)
    run.mails.append(mail("j1", at=75.0))


@pytest.mark.parametrize(
    "happen",
    [
        lost_answer_without_a_job,
        lost_answer_with_a_job,
        an_answer_repeated_for_a_key,
        a_job_deleted_by_its_owner,
        a_deletion_whose_answer_was_lost,
        a_cancellation_answered_with_503,
        a_failure_that_was_retried,
        a_job_cancelled_by_its_owner,
        a_job_given_up_after_a_kill,
        a_retried_job_with_a_mail_of_each_outcome,
        a_mail_repeated_after_a_kill,
        a_mail_repeated_soon_after_its_sending_was_interrupted,
    ],
)
def test_what_was_never_promised_is_no_violation(happen: Callable[[Run], None]) -> None:
    run = Run()
    happen(run)
    assert run.violations() == []
