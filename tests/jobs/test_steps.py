"""The transition table: what each step does, and that it does nothing from any other state."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs import store as module
from soundlift.common.jobs.model import GIVE_UP_SECONDS, MOST_ATTEMPTS, RECEIVE_SECONDS, Claim, Job, State
from soundlift.common.jobs.quota import Limits, Reservation
from soundlift.common.jobs.store import CLAIM_SECONDS, LONGEST_SENTENCE, TELL_SECONDS, Jobs
from soundlift.common.services import Services
from tests.factories.jobs import age, claimed_job, failed_job, job_now, queued_job, ready_job, receiving_job, told_job

ADA = "ada@example.org"
NOBODY = Claim(job_id="", token="0" * 24)

Step = Callable[[Jobs, Job], object]
STEPS: dict[str, Step] = {
    "still_receiving": lambda jobs, job: jobs.still_receiving(job.id),
    "reserve": lambda jobs, job: jobs.reserve(job, Reservation(1, Limits(jobs=0, stored_bytes=0, retention=60))),
    "queue": lambda jobs, job: jobs.queue(job.id, video_bytes=1),
    "send_soon": lambda jobs, job: jobs.send_soon(job),
    "claim": lambda jobs, job: jobs.claim(job),
    "renew": lambda jobs, job: jobs.renew(_own(job), percent=1),
    "ready": lambda jobs, job: jobs.ready(_own(job), mp3_bytes=1, length=1.0),
    "failed": lambda jobs, job: jobs.failed(_own(job), code="x", sentence="x"),
    "release": lambda jobs, job: jobs.release(_own(job), cause="x"),
    "give_up": lambda jobs, job: jobs.give_up(job),
    "cancel": lambda jobs, job: jobs.cancel(job.id),
    "claim_telling": lambda jobs, job: jobs.claim_telling(job.id),
    "told": lambda jobs, job: jobs.told(_telling(jobs, job)),
    "not_told": lambda jobs, job: jobs.not_told(_telling(jobs, job), cause="x"),
    "delete": lambda jobs, job: jobs.delete(job.id),
    "expire": lambda jobs, job: jobs.expire(job, retention=60),
    "abandon": lambda jobs, job: jobs.abandon(job),
    "disposed": lambda jobs, job: jobs.disposed(job),
    "postpone": lambda jobs, job: jobs.postpone(job),
}
ALLOWED = {
    State.RECEIVING: {"still_receiving", "reserve", "queue", "delete"},
    State.QUEUED: {"send_soon", "claim", "cancel"},
    State.CONVERTING: {"send_soon", "renew", "ready", "failed", "release", "cancel"},
    State.READY: {"send_soon", "claim_telling", "told", "not_told", "delete"},
    State.FAILED: {"send_soon", "claim_telling", "told", "not_told", "delete"},
    State.CANCELLED: {"delete"},
    State.EXPIRED: {"disposed", "delete"},
    State.DELETED: {"disposed"},
}


def _own(job: Job) -> Claim:
    return Claim(job_id=job.id, token=job.claim or NOBODY.token, mp3_fid=job.mp3_fid)


def _telling(jobs: Jobs, job: Job) -> Claim:
    """Return a claim of the job's mail; where there is no mail to claim, the claim that the row has."""
    return jobs.claim_telling(job.id) or _own(job)


def _cancelled(services: Services) -> Job:
    job = queued_job(services)
    assert services.jobs.cancel(job.id)
    return job_now(services, job.id)


def _expired(services: Services) -> Job:
    job = told_job(services)
    age(services, job, 3600)
    assert services.jobs.expire(job, retention=60)
    return job_now(services, job.id)


def _deleted(services: Services) -> Job:
    job = ready_job(services)
    assert services.jobs.delete(job.id)
    return job_now(services, job.id)


MAKERS: dict[State, Callable[[Services], Job]] = {
    State.RECEIVING: receiving_job,
    State.QUEUED: queued_job,
    State.CONVERTING: lambda services: claimed_job(services)[0],
    State.READY: ready_job,
    State.FAILED: failed_job,
    State.CANCELLED: _cancelled,
    State.EXPIRED: _expired,
    State.DELETED: _deleted,
}


def _row(services: Services, job: Job) -> Any:
    with services.database.read() as connection:
        return connection.execute(sa.select(table).where(table.c.id == job.id)).one_or_none()


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("state", State)
def test_a_step_is_taken_from_the_states_of_the_table_and_changes_nothing_from_others(
    services: Services, state: State, step: str
) -> None:
    job = MAKERS[state](services)
    before = _row(services, job)
    taken = STEPS[step](services.jobs, job)
    assert bool(taken) == (step in ALLOWED[state])
    assert (_row(services, job) != before) == (step in ALLOWED[state])


def _adopted(services: Services, video: bytes) -> Job:
    assert services.jobs.adopt(video_fid="a" * 24, username=ADA, video_bytes=len(video), traceparent=None)
    return job_now(services, "a" * 24)


@pytest.mark.parametrize("make", [queued_job, _adopted])
def test_a_queued_job_has_its_size_and_waits_ten_minutes_for_its_first_repeat(
    services: Services, make: Callable[[Services, bytes], Job]
) -> None:
    job = make(services, b"12345")
    assert (job.state, job.video_bytes) == (State.QUEUED, 5)
    assert services.jobs.due() == []
    age(services, job, 599)
    assert services.jobs.due() == []
    age(services, job, 2)
    assert [due.id for due in services.jobs.due()] == [job.id]


def test_a_received_job_keeps_all_that_is_known_of_its_upload(services: Services) -> None:
    upload = {"username": ADA, "file_name": "a.mkv", "content_type": "video/x-matroska", "traceparent": "00-1-2-01"}
    job = services.jobs.receive(**upload)
    assert {name: getattr(job, name) for name in upload} == upload
    assert services.jobs.find(job.id) == job
    ids = [job.id, job.video_fid, *(str(value) for value in vars(services.jobs.claim(queued_job(services))).values())]
    assert len({value for value in ids if re.fullmatch("[0-9a-f]{24}", value)}) == len(ids)


def test_an_adopted_job_is_that_of_its_video_and_names_no_file_of_its_owner(services: Services) -> None:
    video = {"video_fid": "a" * 24, "username": ADA, "video_bytes": 7, "traceparent": "00-1-2-01"}
    assert services.jobs.adopt(**video)
    job = job_now(services, "a" * 24)
    expected = video | {"file_name": "video", "content_type": "application/octet-stream"}
    assert {name: getattr(job, name) for name in expected} == expected
    assert not services.jobs.adopt(**video | {"username": "bob@example.org"})
    assert job_now(services, job.id) == job


@pytest.mark.parametrize("step", ["send_soon", "postpone"])
def test_nobody_sends_the_event_of_a_job_that_has_moved_on_since_it_was_read(services: Services, step: str) -> None:
    job, claim = claimed_job(services)
    assert services.jobs.release(claim, cause="the store is away")
    age(services, job, 100_000, "due_at")
    before = _row(services, job)
    assert not STEPS[step](services.jobs, replace(job, sent=job_now(services, job.id).sent))
    assert _row(services, job) == before


@pytest.mark.parametrize("last_word", [None, '{"channels":2}', '{"tags":{"title":"' + "🎵" * 15_000 + '"}}'])
def test_a_job_keeps_the_options_it_was_received_with_unless_there_is_a_later_word(
    services: Services, last_word: str | None
) -> None:
    job = services.jobs.receive(
        username="a@example.org", file_name="a", content_type="b", traceparent=None, options='{"channels":1}'
    )
    assert job.options == '{"channels":1}'
    assert services.jobs.queue(job.id, video_bytes=1, options=last_word)
    assert job_now(services, job.id).options == (last_word or job.options)


def test_a_job_that_names_no_options_has_none(services: Services) -> None:
    assert queued_job(services).options is None
    assert _adopted(services, b"1").options is None


@pytest.mark.parametrize("lost", [None, 0.0, 12.5])
def test_a_ready_job_knows_how_much_of_its_sound_was_lost(services: Services, lost: float | None) -> None:
    _, claim = claimed_job(services)
    assert services.jobs.ready(claim, mp3_bytes=1, length=1.0, lost=lost)
    assert job_now(services, claim.job_id).lost == lost


@pytest.mark.parametrize("seconds", [math.inf, -math.inf, math.nan])
def test_seconds_that_are_not_finite_are_stored_as_unknown(services: Services, seconds: float) -> None:
    _, claim = claimed_job(services)
    assert services.jobs.ready(claim, mp3_bytes=1, length=seconds, lost=seconds)
    with services.database.read() as connection:
        row = connection.execute(sa.select(table.c.length, table.c.lost).where(table.c.id == claim.job_id)).one()
    assert tuple(row) == (None, None)


def test_a_claim_counts_an_attempt_and_names_a_fresh_mp3(services: Services) -> None:
    job, claim = claimed_job(services)
    assert (job.state, job.attempts, job.claim, job.mp3_fid) == (State.CONVERTING, 1, claim.token, claim.mp3_fid)


def test_a_claim_that_ran_out_can_do_nothing_any_more(services: Services) -> None:
    job, claim = claimed_job(services)
    age(services, job, CLAIM_SECONDS + 1)
    assert not services.jobs.renew(claim, percent=50)
    assert not services.jobs.ready(claim, mp3_bytes=1, length=1.0)
    assert not services.jobs.failed(claim, code="x", sentence="x")
    assert job_now(services, job.id).state == State.CONVERTING


def test_a_claim_that_ran_out_is_taken_by_the_next_with_another_mp3(services: Services) -> None:
    job, first = claimed_job(services)
    assert services.jobs.renew(first, percent=42)
    assert services.jobs.claim(job) is None
    age(services, job, CLAIM_SECONDS + 1)
    second = services.jobs.claim(job_now(services, job.id))
    assert second is not None
    assert second.mp3_fid != first.mp3_fid
    assert job_now(services, job.id).percent == 0
    assert not services.jobs.release(first, cause="too late")
    assert services.jobs.ready(second, mp3_bytes=1, length=1.0)


def test_a_claim_is_refused_when_the_row_is_no_longer_as_it_was_read(services: Services) -> None:
    job, _ = claimed_job(services)
    age(services, job, CLAIM_SECONDS + 1)
    stale = job_now(services, job.id)
    assert services.jobs.claim(stale) is not None
    age(services, job, CLAIM_SECONDS + 1)
    assert services.jobs.claim(stale) is None


def test_renewing_keeps_the_claim_and_shows_the_percent(services: Services) -> None:
    job, claim = claimed_job(services)
    age(services, job, CLAIM_SECONDS - 1)
    assert services.jobs.renew(claim, percent=42)
    age(services, job, CLAIM_SECONDS - 1)
    assert services.jobs.renew(claim, percent=43)
    assert job_now(services, job.id).percent == 43


def test_releasing_gives_the_attempt_back_and_keeps_the_cause(services: Services) -> None:
    job, claim = claimed_job(services)
    assert services.jobs.renew(claim, percent=42)
    assert services.jobs.release(claim, cause="the store is away")
    released = job_now(services, job.id)
    assert (released.state, released.attempts, released.claim, released.percent) == (State.QUEUED, 0, None, 0)
    assert released.claim_lapsed
    assert released.last_cause == "the store is away"


def test_the_event_of_a_released_job_is_sent_after_ten_minutes_and_after_twice_as_long_each_time(
    services: Services,
) -> None:
    job = queued_job(services)
    for minutes in (10, 20, 40):
        claim = services.jobs.claim(job_now(services, job.id))
        assert claim is not None
        assert services.jobs.release(claim, cause="the store is away")
        age(services, job, minutes * 60 - 60, "due_at")
        assert services.jobs.due() == []
        age(services, job, 120, "due_at")
        assert [due.id for due in services.jobs.due()] == [job.id]


@pytest.mark.parametrize("step", ["ready", "failed", "release", "give_up", "cancel", "told", "not_told"])
def test_a_job_that_nobody_works_on_any_more_has_no_claim(services: Services, step: str) -> None:
    job = ready_job(services) if "told" in step else claimed_job(services)[0]
    if step == "give_up":
        age(services, job, GIVE_UP_SECONDS)
    assert STEPS[step](services.jobs, job)
    row = _row(services, job)
    assert (row.claim, row.claimed_until) == (None, None)
    assert (row.due_at is None) == (step in {"cancel", "told"})


def test_a_sentence_is_cut_to_what_the_row_has_space_for(services: Services) -> None:
    endless, kept = "x" * 2 * LONGEST_SENTENCE, "x" * LONGEST_SENTENCE
    job, claim = claimed_job(services)
    assert services.jobs.release(claim, cause=endless)
    assert job_now(services, job.id).last_cause == kept
    age(services, job, GIVE_UP_SECONDS + 1)
    assert services.jobs.give_up(job_now(services, job.id))
    assert len(str(job_now(services, job.id).error)) == LONGEST_SENTENCE
    telling = services.jobs.claim_telling(job.id)
    assert telling is not None
    assert services.jobs.not_told(telling, cause=endless)
    assert job_now(services, job.id).last_cause == kept
    job, claim = claimed_job(services)
    assert services.jobs.failed(claim, code="x", sentence=endless)
    assert job_now(services, job.id).error == kept


def test_a_thousand_releases_are_no_reason_to_give_up_but_three_dead_claims_are(services: Services) -> None:
    job = queued_job(services)
    for _ in range(5):
        claim = services.jobs.claim(job_now(services, job.id))
        assert claim is not None
        assert services.jobs.release(claim, cause="the store is away")
    for _ in range(3):
        assert not services.jobs.give_up(job_now(services, job.id))
        assert services.jobs.claim(job_now(services, job.id)) is not None
        age(services, job, CLAIM_SECONDS + 1)
    assert services.jobs.claim(job_now(services, job.id)) is None
    assert services.jobs.give_up(job_now(services, job.id))
    given_up = job_now(services, job.id)
    assert (given_up.state, given_up.error_code) == (State.FAILED, "gave_up")
    assert "3 times" in str(given_up.error)
    assert "the store is away" in str(given_up.error)


def test_a_job_is_given_up_a_day_after_its_upload(services: Services) -> None:
    job, claim = claimed_job(services)
    age(services, job, GIVE_UP_SECONDS - 60, "created_at")
    assert services.jobs.release(claim, cause="the store is away")
    job = job_now(services, job.id)
    assert not services.jobs.give_up(job)
    age(services, job, 61, "created_at")
    assert services.jobs.claim(job) is None
    assert services.jobs.give_up(job)
    assert "within a day" in str(job_now(services, job.id).error)


def test_a_job_that_was_given_up_says_no_cause_where_none_is_known(services: Services) -> None:
    job = queued_job(services)
    age(services, job, GIVE_UP_SECONDS + 1)
    assert services.jobs.give_up(job)
    assert job_now(services, job.id).error == "The video could not be converted within a day, so we gave up."


def test_only_a_job_that_waits_is_given_up_however_old_it_is_and_however_often_it_was_tried(services: Services) -> None:
    for state, make in MAKERS.items():
        job = make(services)
        age(services, job, GIVE_UP_SECONDS, "created_at")
        with services.database.write() as connection:
            connection.execute(table.update().where(table.c.id == job.id).values(attempts=MOST_ATTEMPTS))
        assert services.jobs.give_up(job_now(services, job.id)) == (state == State.QUEUED)


def test_the_event_of_a_job_that_stays_due_is_sent_after_ten_minutes_doubling_up_to_six_hours(
    services: Services,
) -> None:
    job = queued_job(services)
    age(services, job, 600)
    for minutes in (10, 20, 40, 80, 160, 320, 360, 360):
        assert services.jobs.postpone(job_now(services, job.id))
        age(services, job, minutes * 60 - 5)
        assert services.jobs.due() == []
        age(services, job, 6)
        assert [due.id for due in services.jobs.due()] == [job.id]


@pytest.mark.parametrize("end", ["ready", "failed", "give_up"])
def test_the_event_of_an_outcome_is_sent_again_after_ten_minutes_however_often_that_of_the_upload_was(
    services: Services, end: str
) -> None:
    job = queued_job(services)
    for _ in range(4):
        age(services, job, 100_000, "due_at")
        assert services.jobs.postpone(job_now(services, job.id))
    if end == "give_up":
        age(services, job, GIVE_UP_SECONDS, "created_at")
    else:
        assert services.jobs.claim(job) is not None
    assert STEPS[end](services.jobs, job_now(services, job.id))
    age(services, job, 60, "due_at")
    (due,) = services.jobs.due()
    assert services.jobs.postpone(due)
    age(services, job, 601, "due_at")
    assert [due.id for due in services.jobs.due()] == [job.id]


def test_of_two_who_would_send_a_due_event_one_does(services: Services) -> None:
    job = queued_job(services)
    assert services.jobs.send_soon(job)
    (due,) = services.jobs.due()
    assert services.jobs.postpone(due)
    assert not services.jobs.postpone(due)


def test_who_read_a_job_before_another_sent_its_event_does_not_send_it_even_when_it_is_due_again(
    services: Services,
) -> None:
    job = queued_job(services)
    age(services, job, 601)
    assert services.jobs.postpone(job)
    age(services, job, 100_000, "due_at")
    assert not services.jobs.postpone(job)
    assert services.jobs.postpone(job_now(services, job.id))


def test_the_event_of_a_job_that_ended_is_due_after_a_minute_while_its_owner_is_not_told(services: Services) -> None:
    for job in (ready_job(services), failed_job(services)):
        age(services, job, 30)
        assert services.jobs.due() == []
        age(services, job, 30)
        (due,) = services.jobs.due()
        assert due.id == job.id
        assert services.jobs.postpone(due)


def test_a_job_whose_mail_is_claimed_is_due_when_the_claim_has_run_out(services: Services) -> None:
    job = ready_job(services)
    assert services.jobs.claim_telling(job.id) is not None
    age(services, job, TELL_SECONDS - 20)
    assert services.jobs.due() == []
    age(services, job, 21)
    assert [due.id for due in services.jobs.due()] == [job.id]


def test_a_converting_job_is_due_as_soon_as_its_claim_ran_out(services: Services) -> None:
    job, _ = claimed_job(services)
    assert services.jobs.due() == []
    age(services, job, CLAIM_SECONDS + 1)
    assert [due.id for due in services.jobs.due()] == [job.id]


def test_an_untold_outcome_is_due_and_a_told_one_never_again(services: Services) -> None:
    untold, told = ready_job(services), told_job(services)
    for job in (untold, told):
        age(services, job, 100_000)
    assert [due.id for due in services.jobs.due()] == [untold.id]


def test_the_mail_of_a_job_is_claimed_once_until_its_claim_runs_out(services: Services) -> None:
    job = ready_job(services)
    assert services.jobs.claim_telling(job.id) is not None
    assert services.jobs.claim_telling(job.id) is None
    age(services, job, TELL_SECONDS + 1)
    second = services.jobs.claim_telling(job.id)
    assert second is not None
    assert services.jobs.told(second)
    assert services.jobs.claim_telling(job.id) is None


def test_the_mail_of_a_job_is_given_back_or_noted_only_by_whom_it_was_claimed_last(services: Services) -> None:
    job = ready_job(services)
    first = services.jobs.claim_telling(job.id)
    age(services, job, TELL_SECONDS + 1, "claimed_until")
    assert services.jobs.claim_telling(job.id) is not None
    before = _row(services, job)
    assert first is not None
    assert not services.jobs.not_told(first, cause="too late")
    assert not services.jobs.told(first)
    assert _row(services, job) == before


def test_the_claim_of_a_mail_is_none_to_convert(services: Services) -> None:
    job = ready_job(services)
    assert services.jobs.claim_telling(job.id) is not None
    job, before = job_now(services, job.id), _row(services, job)
    for step in ("renew", "ready", "failed", "release"):
        assert not STEPS[step](services.jobs, job)
    assert _row(services, job) == before


def test_a_job_deleted_while_its_owner_is_told_is_still_disposed_of(services: Services) -> None:
    job = ready_job(services)
    telling = services.jobs.claim_telling(job.id)
    assert telling is not None
    assert services.jobs.delete(job.id)
    assert not services.jobs.told(telling)
    assert [waiting.id for waiting in services.jobs.to_dispose()] == [job.id]


def test_a_mail_given_back_can_be_claimed_again(services: Services) -> None:
    job = ready_job(services)
    telling = services.jobs.claim_telling(job.id)
    assert telling is not None
    assert services.jobs.not_told(telling, cause="the mail server is away")
    assert services.jobs.claim_telling(job.id) is not None


def test_an_upload_is_broken_off_twenty_minutes_after_its_last_refresh(services: Services) -> None:
    job = receiving_job(services)
    age(services, job, 20 * 60 - 10)
    assert services.jobs.broken_off() == []
    assert services.jobs.still_receiving(job.id)
    assert services.jobs.broken_off() == []
    age(services, job, 20 * 60 + 1)
    assert [one.id for one in services.jobs.broken_off()] == [job.id]
    assert services.jobs.abandon(job)
    assert not services.jobs.queue(job.id, video_bytes=1)


@pytest.mark.parametrize("step", ["still_receiving", "reserve"])
def test_an_upload_that_goes_on_since_it_was_found_broken_off_is_not_abandoned(services: Services, step: str) -> None:
    job = receiving_job(services)
    age(services, job, RECEIVE_SECONDS + 1)
    (found,) = services.jobs.broken_off()
    assert STEPS[step](services.jobs, job)
    assert not services.jobs.abandon(found)
    age(services, job, RECEIVE_SECONDS - 10, "due_at")
    assert services.jobs.broken_off() == []


def test_only_told_outcomes_and_cancelled_jobs_expire(services: Services) -> None:
    told, untold, cancelled, waiting = (
        told_job(services),
        ready_job(services),
        _cancelled(services),
        queued_job(services),
    )
    for job in (told, untold, cancelled, waiting):
        age(services, job, 3600)
    assert {job.id for job in services.jobs.past_retention(retention=60)} == {told.id, cancelled.id}


@pytest.mark.parametrize("end", ["ready", "failed", "cancel"])
def test_retention_counts_from_the_end_of_a_job_and_not_from_its_upload_nor_from_the_notification(
    services: Services, end: str
) -> None:
    job, _ = claimed_job(services)
    age(services, job, 3600, "created_at", "changed_at")
    assert STEPS[end](services.jobs, job)
    if end != "cancel":
        assert STEPS["told"](services.jobs, job)
        age(services, job, 3600, "told_at")
    assert services.jobs.past_retention(retention=60) == []
    assert not services.jobs.expire(job, retention=60)
    age(services, job, 61, "changed_at")
    assert [one.id for one in services.jobs.past_retention(retention=60)] == [job.id]
    assert services.jobs.expire(job, retention=60)


def test_the_row_of_an_expired_job_stays_until_its_own_time_is_over(services: Services) -> None:
    job = _expired(services)
    assert services.jobs.disposed(job)
    age(services, job, 3600, "created_at", "told_at")
    assert services.jobs.forget_rows(retention=60) == 0
    age(services, job, 61, "changed_at")
    assert services.jobs.forget_rows(retention=60) == 1
    assert services.jobs.find(job.id) is None


def test_the_row_of_an_expired_job_stays_as_long_as_its_files_are_not_gone(services: Services) -> None:
    job = _expired(services)
    age(services, job, 100_000)
    assert services.jobs.forget_rows(retention=60) == 0
    assert [one.id for one in services.jobs.to_dispose()] == [job.id]
    assert services.jobs.disposed(job)
    assert services.jobs.forget_rows(retention=60) == 1


LISTS: dict[str, tuple[Callable[[Services], Job], Callable[[Jobs], list[Job]]]] = {
    "due": (queued_job, lambda jobs: jobs.due()),
    "past_retention": (told_job, lambda jobs: jobs.past_retention(retention=60)),
    "broken_off": (receiving_job, lambda jobs: jobs.broken_off()),
    "to_dispose": (_deleted, lambda jobs: jobs.to_dispose()),
}


@pytest.mark.parametrize("name", LISTS)
def test_what_waits_for_cleanup_is_listed_a_batch_at_a_time(
    services: Services, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    make, listed = LISTS[name]
    jobs = [make(services) for _ in range(3)]
    for job in jobs:
        age(services, job, 3600)
    assert {job.id for job in listed(services.jobs)} == {job.id for job in jobs}
    monkeypatch.setattr(module, "BATCH", 2)
    assert len(listed(services.jobs)) == 2


def test_the_event_that_is_due_longest_is_sent_first(services: Services) -> None:
    jobs = [queued_job(services) for _ in range(3)]
    for job, seconds in zip(jobs, (700, 900, 800), strict=True):
        age(services, job, seconds, "due_at")
    assert [job.id for job in services.jobs.due()] == [jobs[1].id, jobs[2].id, jobs[0].id]


def test_a_job_is_found_by_its_mp3_and_by_its_video(services: Services) -> None:
    job, other = ready_job(services), _adopted(services, b"1")
    assert services.jobs.find_by_mp3(str(job.mp3_fid)) == services.jobs.find_by_video(job.video_fid) == job
    assert services.jobs.find_by_video(other.video_fid) == other
    assert services.jobs.find_by_mp3(job.video_fid) is services.jobs.find_by_video(str(job.mp3_fid)) is None
