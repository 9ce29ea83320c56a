"""The accountant reports each kind of violation, and nothing else, in a small run that is otherwise as promised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.chaos.accounts.accountant import CHECKS
from tests.chaos.clips.tones import Sound, tone_of
from tests.chaos.outside.view import Stored
from tests.chaos.small_run import (
    BROKEN,
    GOOD,
    OTHER,
    OWNER,
    REFUSED,
    Run,
    action,
    fault,
    mail,
    part,
    response,
    upload,
    webhook,
)


def answer_again(run: Run, name: str, status: int | None, job: str | None) -> None:
    run.facts += [upload(name, request=2), response(name, status, job, request=2)]


def lose_the_job(run: Run) -> None:
    run.remove("j1")


def make_a_job_of_a_refused_upload(run: Run) -> None:
    run.facts += [upload("unavailable"), response("unavailable", 503)]
    run.add("j3", "unavailable.mp4")


def make_a_second_job(run: Run) -> None:
    answer_again(run, "good", None, None)
    run.add("j3", "good.mp4")


def make_a_second_job_without_a_key(run: Run) -> None:
    run.facts[0] = upload("good", key=None)
    run.add("j3", "good.mp4")


def make_a_job_of_nothing(run: Run) -> None:
    run.add("j3", "unknown.mp4")


def accept_a_text(run: Run) -> None:
    run.facts[5] = response("refused", 202, "j3")
    run.add("j3", "refused.mp4")
    run.facts.append(action("delete", "refused", "j3", 204))
    run.remove("j3")


def lose_acknowledged_bytes(run: Run) -> None:
    run.facts += [part("good", 500), part("good", 400, method="HEAD")]


def lose_an_upload_in_progress(run: Run) -> None:
    run.facts += [part("good", 500), part("good", None, status=410)]


def refuse_a_key(run: Run) -> None:
    run.facts += [{"at": 0.0, "kind": "signed in", "user": OWNER, "way": "key"}, part("good", None, status=401)]


def keep_a_deleted_job(run: Run) -> None:
    run.facts.append(action("delete", "good", "j1", 204))


def answer_500(run: Run) -> None:
    run.facts[5] = response("refused", 500)


def answer_a_cancellation_with_500(run: Run) -> None:
    run.facts.append(action("cancel", "good", "j1", 500))


def leave_a_job_queued(run: Run) -> None:
    run.end("j1", "queued")


def cancel_a_job(run: Run) -> None:
    run.end("j1", "cancelled")


def blame_a_good_video(run: Run) -> None:
    run.end("j1", "failed", "broken")
    run.notify("j1", "failed")


def give_up_a_job(run: Run) -> None:
    run.end("j1", "failed", "gave_up")
    run.notify("j1", "failed")


def fail_an_import(run: Run, clip: int, code: str) -> None:
    """Let an import fail, whose video is in no store."""
    run.facts += [{**upload("import", clip), "way": "import"}, response("import", 202, "j3")]
    run.add("j3", "import.mp4")
    run.end("j3", "failed", code)
    run.notify("j3", "failed")
    run.videos = Stored(run.videos.files - {"video of j3"})


def import_a_text_as_a_video(run: Run) -> None:
    fail_an_import(run, REFUSED, "no_audio")


def give_up_an_import_after_a_kill_of_another_function(run: Run) -> None:
    run.facts.append(fault("kill", target="convert"))
    fail_an_import(run, GOOD, "import_failed")


def give_up_a_job_after_a_kill_of_another_function(run: Run) -> None:
    run.facts.append(fault("kill", target="login"))
    give_up_a_job(run)


def give_up_a_job_that_was_uploaded_after_the_interruption(run: Run) -> None:
    run.facts.append(fault("kill", at=0.5, target="convert"))
    give_up_a_job(run)


def lose_a_file(run: Run) -> None:
    run.sounds["j1"] = None
    run.outputs = Stored()


def swap_a_file(run: Run) -> None:
    run.sounds["j1"] = Sound(1.0, tone_of(BROKEN))


def silence_a_file(run: Run) -> None:
    run.sounds["j1"] = Sound(1.0, None)


def shorten_a_file(run: Run) -> None:
    run.sounds["j1"] = Sound(0.5, tone_of(GOOD))


def change_an_outcome(run: Run) -> None:
    run.facts.append({"at": 3.0, "kind": "seen", "upload": "good", "job": "j1", "state": "failed"})


def download_two_files(run: Run) -> None:
    for digest in ("one", "two"):
        run.facts.append({"at": 3.0, "kind": "download", "upload": "good", "job": "j1", "sha256": digest})


def lose_a_mail(run: Run) -> None:
    run.mails.pop()


def notify_of_an_earlier_outcome_only(run: Run) -> None:
    run.facts.append(action("retry", "good", "j1", 202))


def notify_of_both_outcomes(run: Run) -> None:
    run.mails.append(mail("j1", "failed"))


def repeat_a_mail(run: Run) -> None:
    run.mails.append(mail("j1"))


def repeat_a_mail_for_a_repeated_event(run: Run) -> None:
    run.facts.append(fault("duplicate"))
    run.mails.append(mail("j1"))


def repeat_a_mail_after_a_kill_of_another_function(run: Run) -> None:
    run.facts.append(fault("kill", target="login"))
    run.mails.append(mail("j1"))


def repeat_a_mail_long_after_an_interruption(run: Run) -> None:
    run.facts.append(fault("kill", at=10.0))
    run.mails[0] = mail("j1", at=200.0)
    run.mails.append(mail("j1", at=260.0))


def repeat_a_mail_twice_of_which_one_is_explained(run: Run) -> None:
    """Two interruptions near the first mail do not explain the third one."""
    run.facts += [fault("kill", at=190.0), {**fault("kill", at=195.0), "number": 2}]
    run.mails[0] = mail("j1", at=200.0)
    run.mails += [mail("j1", at=300.0), mail("j1", at=301.0)]


def notify_somebody_else(run: Run) -> None:
    run.mails.append(replace(mail("j1"), recipient=OTHER))
    run.facts.append(fault("kill"))


def send_a_mail_about_an_unknown_job(run: Run) -> None:
    run.mails.append(mail("j9"))


def lose_a_webhook(run: Run) -> None:
    run.webhooks[0] = webhook("j1", status=503)


def announce_another_outcome(run: Run) -> None:
    run.webhooks[0] = webhook("j1", "failed")


def announce_an_earlier_outcome_only(run: Run) -> None:
    run.webhooks[0] |= {"ended_at": "2026-11-28T11:00:00+00:00"}


def forge_a_webhook(run: Run) -> None:
    run.webhooks.append({**webhook("j1", status=400), "type": None, "job": None, "id": "forged"})


def announce_an_outcome_in_two_deliveries(run: Run) -> None:
    run.webhooks.append(webhook("j1", webhook_id="another"))


def announce_two_outcomes_in_one_delivery(run: Run) -> None:
    run.webhooks[1] = webhook("j2", "failed", webhook_id="webhook of j1", status=204)
    run.facts.append(fault("kill", target="webhook"))


def repeat_a_webhook(run: Run) -> None:
    run.facts.append(fault("kill", target="notify"))
    run.webhooks.append(webhook("j1", at=5.0))


def send_a_webhook_to_somebody_else(run: Run) -> None:
    run.webhooks.append({**webhook("j1", webhook_id="another"), "to": OTHER})


def leave_a_video(run: Run) -> None:
    run.videos = Stored(run.videos.files | {"orphan"})


def leave_an_audio_file(run: Run) -> None:
    of_the_failed_job = "one file that its row may name"
    run.outputs = Stored(run.outputs.files | {"orphan", of_the_failed_job})


def leave_a_part(run: Run) -> None:
    run.outputs = replace(run.outputs, unfinished=frozenset({"orphan.part"}))


def lose_a_video(run: Run) -> None:
    run.videos = Stored(frozenset({"video of j1"}))


def leave_a_temporary_folder(run: Run) -> None:
    run.temporary = frozenset({"soundlift-abc"})


def leave_a_message(run: Run) -> None:
    run.waiting = {"video": 0, "mp3": 1}


VIOLATIONS: list[tuple[str, Callable[[Run], None]]] = [
    ("an_accepted_upload_has_its_job", lose_the_job),
    ("a_refused_upload_leaves_no_job", make_a_job_of_a_refused_upload),
    ("a_key_makes_at_most_one_job", make_a_second_job),
    ("a_request_makes_at_most_one_job", make_a_second_job_without_a_key),
    ("every_job_was_uploaded", make_a_job_of_nothing),
    ("a_clip_that_must_be_refused_is_never_accepted", accept_a_text),
    ("an_acknowledged_offset_never_goes_back", lose_acknowledged_bytes),
    ("an_upload_in_progress_is_not_lost", lose_an_upload_in_progress),
    ("no_request_with_a_key_is_answered_with_401", refuse_a_key),
    ("a_deleted_job_is_gone", keep_a_deleted_job),
    ("no_request_is_answered_with_500", answer_500),
    ("no_request_is_answered_with_500", answer_a_cancellation_with_500),
    ("no_job_is_stuck", leave_a_job_queued),
    ("only_its_owner_cancels_a_job", cancel_a_job),
    ("a_job_ends_as_its_clip_must", blame_a_good_video),
    ("a_job_is_given_up_only_after_interruptions", give_up_a_job),
    ("a_job_is_given_up_only_after_interruptions", give_up_a_job_after_a_kill_of_another_function),
    ("a_job_is_given_up_only_after_interruptions", give_up_a_job_that_was_uploaded_after_the_interruption),
    ("a_job_ends_as_its_clip_must", import_a_text_as_a_video),
    ("a_job_is_given_up_only_after_interruptions", give_up_an_import_after_a_kill_of_another_function),
    ("a_ready_job_has_a_file_that_decodes", lose_a_file),
    ("a_file_has_the_tone_of_its_own_clip", swap_a_file),
    ("a_file_has_the_tone_of_its_own_clip", silence_a_file),
    ("a_file_has_the_length_of_its_clip", shorten_a_file),
    ("an_outcome_is_final", change_an_outcome),
    ("a_file_is_the_same_at_each_download", download_two_files),
    ("an_owner_is_notified_of_the_outcome", lose_a_mail),
    ("an_owner_is_notified_of_the_outcome", notify_of_an_earlier_outcome_only),
    ("an_owner_is_not_notified_of_two_outcomes", notify_of_both_outcomes),
    ("a_mail_is_repeated_only_after_an_interruption", repeat_a_mail),
    ("a_mail_is_repeated_only_after_an_interruption", repeat_a_mail_for_a_repeated_event),
    ("a_mail_is_repeated_only_after_an_interruption", repeat_a_mail_after_a_kill_of_another_function),
    ("a_mail_is_repeated_only_after_an_interruption", repeat_a_mail_long_after_an_interruption),
    ("a_mail_is_repeated_only_after_an_interruption", repeat_a_mail_twice_of_which_one_is_explained),
    ("a_mail_goes_to_the_owner", notify_somebody_else),
    ("a_mail_is_about_a_job_that_was_uploaded", send_a_mail_about_an_unknown_job),
    ("a_webhook_announces_the_outcome", lose_a_webhook),
    ("a_webhook_announces_the_outcome", announce_another_outcome),
    ("a_webhook_announces_the_outcome", announce_an_earlier_outcome_only),
    ("a_webhook_has_a_signature", forge_a_webhook),
    ("an_outcome_has_one_webhook_id", announce_an_outcome_in_two_deliveries),
    ("a_webhook_id_has_one_outcome", announce_two_outcomes_in_one_delivery),
    ("a_webhook_is_repeated_only_after_an_interruption", repeat_a_webhook),
    ("a_webhook_goes_to_the_owner", send_a_webhook_to_somebody_else),
    ("every_video_in_the_store_has_a_job", leave_a_video),
    ("every_audio_file_in_the_store_has_a_job", leave_an_audio_file),
    ("no_unfinished_file_is_left_in_the_store", leave_a_part),
    ("every_job_has_its_video", lose_a_video),
    ("no_temporary_folder_is_left", leave_a_temporary_folder),
    ("no_message_is_left_in_a_queue", leave_a_message),
]


@pytest.mark.parametrize(("check", "violate"), VIOLATIONS, ids=[change.__name__ for _, change in VIOLATIONS])
def test_a_violation_is_found_by_its_check_alone(check: str, violate: Callable[[Run], None]) -> None:
    run = Run()
    violate(run)
    assert run.violations() == [check]


def test_each_check_can_fail() -> None:
    assert {check.__name__ for check in CHECKS} == {name for name, _ in VIOLATIONS}


def test_a_run_as_promised_has_no_violation() -> None:
    assert Run().violations() == []
