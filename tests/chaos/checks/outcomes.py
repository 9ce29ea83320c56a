"""What becomes of a job: one audio file with the sound of its own clip, or one stated failure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from tests.chaos.accounts.books import Books
from tests.chaos.accounts.interruptions import CONVERTING, IMPORTING, interruptions
from tests.chaos.accounts.uploads import Upload
from tests.chaos.clips.clips import Clip
from tests.chaos.clips.recipes import READY
from tests.chaos.clips.tones import TOLERANCE, Sound

OUTCOMES = (READY, "failed", "cancelled")
GAVE_UP = "gave_up"  # the failure that blames no video
IMPORT_GAVE_UP = ("import_failed", "import_timeout")
REFUSED_IMPORTS = {415: "not_media", 400: "import_failed"}  # failures by the status that refuses an upload
SHORTEST, LONGEST = 0.05, 0.2  # seconds that an output may be shorter and longer than the clip, by its codecs' delays

Found = Iterator[tuple[str, str, str]]


def no_job_is_stuck(books: Books) -> Found:
    for upload, seen in books.with_jobs():
        if not seen.job.ended:
            yield f"the job is still {seen.job.state}", upload.name, seen.job.id


def only_its_owner_cancels_a_job(books: Books) -> Found:
    for upload, seen in books.with_jobs():
        # A deletion cancels first, and may be interrupted then.
        asked = upload.may_have_done("cancel") + upload.may_have_done("delete")
        if seen.job.state in ("cancelled", "expired") and not asked:
            yield f"the job is {seen.job.state}, which nobody asked for", upload.name, seen.job.id


def a_job_ends_as_its_clip_must(books: Books) -> Found:
    for upload, seen in books.with_jobs():
        clip, job = books.clip_of(upload), seen.job
        outcome = READY if job.ready else job.error_code
        if job.state in (READY, "failed") and outcome not in _permitted(upload, clip) | _given_up(upload):
            yield f"a clip of the kind {clip.kind} ended as {outcome}: {job.error}", upload.name, job.id


def a_job_is_given_up_only_after_interruptions(books: Books) -> Found:
    """A claim is lost when its worker dies, is stopped, or cannot reach the database; the third one ends the job.

    An import is given up after five attempts; the source of a run lets all but two of them succeed.
    """
    periods = {targets: interruptions(books.faults, targets) for targets in (CONVERTING, IMPORTING)}
    for upload, seen in books.with_jobs():
        code = seen.job.error_code
        if code in _given_up(upload) - _permitted(upload, books.clip_of(upload)):
            targets = CONVERTING if code == GAVE_UP else IMPORTING
            if not any(end >= upload.began for _, end in periods[targets]):
                yield f"nothing was interrupted, but the job was given up: {seen.job.error}", upload.name, seen.job.id


def _permitted(upload: Upload, clip: Clip) -> set[str]:
    """Return how the job of a clip may end; what an upload must refuse, an import finds out later."""
    return {*clip.outcomes, *(REFUSED_IMPORTS[status] for status in clip.refusals if upload.is_import)}


def _given_up(upload: Upload) -> set[str]:
    """Return the failures after interruptions."""
    return {GAVE_UP, *(IMPORT_GAVE_UP if upload.is_import else ())}


def a_ready_job_has_a_file_that_decodes(books: Books) -> Found:
    for upload, seen in books.with_jobs():
        if seen.job.ready and books.outside.sounds.get(seen.job.id) is None:
            yield "the job is ready, but its file cannot be downloaded and decoded", upload.name, seen.job.id


def a_file_has_the_tone_of_its_own_clip(books: Books) -> Found:
    for upload, clip, job_id, sound in _heard(books):
        if sound.tone is None or abs(sound.tone - clip.tone) > TOLERANCE:
            heard = f"{sound.tone:.1f} Hz" if sound.tone else "no tone"
            yield f"the file has {heard} instead of {clip.tone:g} Hz", upload, job_id


def a_file_has_the_length_of_its_clip(books: Books) -> Found:
    for upload, clip, job_id, sound in _heard(books):
        shortest = clip.seconds - SHORTEST if clip.is_whole else 0.0
        if not shortest <= sound.seconds <= clip.seconds + LONGEST:
            yield f"the file has {sound.seconds:.2f} s of sound instead of {clip.seconds:g} s", upload, job_id


def _heard(books: Books) -> Iterator[tuple[str, Clip, str, Sound]]:
    for upload, seen in books.with_jobs():
        sound = books.outside.sounds.get(seen.job.id)
        if seen.job.ready and sound is not None:
            yield upload.name, books.clip_of(upload), seen.job.id, sound


def an_outcome_is_final(books: Books) -> Found:
    """Only a retry follows a failure, and only expiry follows a file."""
    for upload in books.uploads.values():
        for job_id in {job for job, _ in upload.states}:
            states = [state for job, state in upload.states if job == job_id]
            if seen := books.outside.jobs.get(job_id):
                states.append(seen.job.state)
            for earlier, later in pairwise(states):
                may_be_retried = earlier != READY and upload.may_have_done("retry")
                if earlier in OUTCOMES and later not in (earlier, "expired") and not may_be_retried:
                    yield f"the job was {earlier}, then {later}", upload.name, job_id


def a_file_is_the_same_at_each_download(books: Books) -> Iterator[tuple[str, str, None]]:
    for upload in books.uploads.values():
        if len(upload.downloads) > 1:
            yield f"the downloads have {len(upload.downloads)} different digests", upload.name, None
