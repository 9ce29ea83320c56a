"""What must not remain once everything has come to rest and cleanup has run."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.accounts.books import Books
from tests.chaos.checks.outcomes import Found

Remains = Iterator[tuple[str, None, None]]


def every_video_in_the_store_has_a_job(books: Books) -> Remains:
    known = {seen.video_fid for seen in books.outside.jobs.values()}
    for fid in sorted(books.outside.videos.files - known):
        yield f"no job has the video {fid}", None, None


def every_audio_file_in_the_store_has_a_job(books: Books) -> Remains:
    """The row of a job that is not ready may name a file that an interrupted worker left, which the API does not show.

    So there may be as many others as such jobs; when they are deleted, emptying.py sees whether their rows did.
    """
    jobs = books.outside.jobs.values()
    known = {seen.output_fid for seen in jobs}
    unknown = sorted(books.outside.outputs.files - known)
    if len(unknown) > sum(not seen.job.ready for seen in jobs):
        yield f"no job that is ready has the audio files {', '.join(unknown)}", None, None


def no_unfinished_file_is_left_in_the_store(books: Books) -> Remains:
    for name in sorted(books.outside.videos.unfinished | books.outside.outputs.unfinished):
        yield f"an interrupted writer left {name}", None, None


def every_job_has_its_video(books: Books) -> Found:
    """The video is kept as long as the job, for a retry; an import that has failed or was cancelled has none."""
    for upload, seen in books.with_jobs():
        if upload.is_import and seen.job.ended and seen.job.video_bytes is None:
            continue
        if seen.job.state != "expired" and seen.video_fid not in books.outside.videos.files:
            yield f"the store has no video {seen.video_fid}", upload.name, seen.job.id


def no_temporary_folder_is_left(books: Books) -> Remains:
    for name in sorted(books.outside.temporary):
        yield f"the folder for temporary files still has {name}", None, None


def no_message_is_left_in_a_queue(books: Books) -> Remains:
    for queue, count in sorted(books.outside.waiting.items()):
        if count:
            yield f"the queue {queue} still has {count} messages", None, None
