"""The accountant: checks a history and what is seen from outside against what Soundlift promises."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from tests.chaos.accounts.books import Books, Violation
from tests.chaos.checks import leftovers, notifications, outcomes, uploads, webhooks
from tests.chaos.clips.clips import Clip
from tests.chaos.history import Fact
from tests.chaos.outside.view import Outside

Check = Callable[[Books], Iterator[tuple[str, str | None, str | None]]]

CHECKS: Sequence[Check] = (
    uploads.an_accepted_upload_has_its_job,
    uploads.a_refused_upload_leaves_no_job,
    uploads.a_key_makes_at_most_one_job,
    uploads.a_request_makes_at_most_one_job,
    uploads.every_job_was_uploaded,
    uploads.a_clip_that_must_be_refused_is_never_accepted,
    uploads.an_acknowledged_offset_never_goes_back,
    uploads.an_upload_in_progress_is_not_lost,
    uploads.a_deleted_job_is_gone,
    uploads.no_request_is_answered_with_500,
    uploads.no_request_with_a_key_is_answered_with_401,
    outcomes.no_job_is_stuck,
    outcomes.only_its_owner_cancels_a_job,
    outcomes.a_job_ends_as_its_clip_must,
    outcomes.a_job_is_given_up_only_after_interruptions,
    outcomes.a_ready_job_has_a_file_that_decodes,
    outcomes.a_file_has_the_tone_of_its_own_clip,
    outcomes.a_file_has_the_length_of_its_clip,
    outcomes.an_outcome_is_final,
    outcomes.a_file_is_the_same_at_each_download,
    notifications.an_owner_is_notified_of_the_outcome,
    notifications.an_owner_is_not_notified_of_two_outcomes,
    notifications.a_mail_is_repeated_only_after_an_interruption,
    notifications.a_mail_goes_to_the_owner,
    notifications.a_mail_is_about_a_job_that_was_uploaded,
    webhooks.a_webhook_announces_the_outcome,
    webhooks.a_webhook_has_a_signature,
    webhooks.an_outcome_has_one_webhook_id,
    webhooks.a_webhook_id_has_one_outcome,
    webhooks.a_webhook_is_repeated_only_after_an_interruption,
    webhooks.a_webhook_goes_to_the_owner,
    leftovers.every_video_in_the_store_has_a_job,
    leftovers.every_audio_file_in_the_store_has_a_job,
    leftovers.no_unfinished_file_is_left_in_the_store,
    leftovers.every_job_has_its_video,
    leftovers.no_temporary_folder_is_left,
    leftovers.no_message_is_left_in_a_queue,
)


def account(facts: Iterable[Fact], clips: Iterable[Clip], outside: Outside) -> list[Violation]:
    """Return every violation of a promise; `facts` are those of one history, in their order."""
    books = Books(list(facts), _by_number(clips), outside)
    return [Violation(sentence(check), *found) for check in CHECKS for found in check(books)]


def sentence(check: Check) -> str:
    """Return the name of a check as a sentence."""
    return check.__name__.replace("_", " ")


def _by_number(clips: Iterable[Clip]) -> Mapping[int, Clip]:
    return {clip.number: clip for clip in clips}
