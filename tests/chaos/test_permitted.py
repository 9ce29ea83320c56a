"""What the accountant must not report, because it was never promised otherwise."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.chaos.outside.view import Stored
from tests.chaos.small_run import REFUSED, Run, action, fault, mail, part, response, upload, webhook


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
    run.notify("j1", "failed")


def an_import_that_failed_as_its_upload_would_be_refused(run: Run) -> None:
    run.facts += [{**upload("import", REFUSED), "way": "import"}, response("import", 202, "j3")]
    run.add("j3", "import.mp4")
    run.end("j3", "failed", "not_media")
    run.notify("j3", "failed")
    run.videos = Stored(run.videos.files - {"video of j3"})  # which was never stored


def a_cancelled_import(run: Run) -> None:
    run.facts += [{**upload("import"), "way": "keyed import"}, response("import", 202, "j3")]
    run.add("j3", "import.mp4")
    run.facts.append(action("cancel", "import", "j3", 200))
    run.end("j3", "cancelled")
    run.videos = Stored(run.videos.files - {"video of j3"})  # which has not arrived


def a_refused_upload_that_is_gone(run: Run) -> None:
    """The answer with the refusal was lost."""
    run.facts += [part("refused", None, status=None), part("refused", None, status=410, method="HEAD")]


def a_webhook_repeated_because_its_receiver_refused_it(run: Run) -> None:
    run.webhooks.insert(0, webhook("j1", status=503))


def a_webhook_repeated_after_a_kill(run: Run) -> None:
    run.facts.append(fault("kill", target="webhook"))
    run.webhooks.append(webhook("j1", at=60.0))


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
        an_import_that_failed_as_its_upload_would_be_refused,
        a_cancelled_import,
        a_refused_upload_that_is_gone,
        a_webhook_repeated_because_its_receiver_refused_it,
        a_webhook_repeated_after_a_kill,
        a_retried_job_with_a_mail_of_each_outcome,
        a_mail_repeated_after_a_kill,
        a_mail_repeated_soon_after_its_sending_was_interrupted,
    ],
)
def test_what_was_never_promised_is_no_violation(happen: Callable[[Run], None]) -> None:
    run = Run()
    happen(run)
    assert run.violations() == []
