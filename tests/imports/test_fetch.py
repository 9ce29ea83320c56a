"""fetch: a file at a URL becomes a queued job, or a failed one with a reason; nothing incomplete is left behind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from threading import Event
from urllib.parse import quote

import pytest
from structlog.testing import capture_logs

from functions.fetch.handler import fetch
from functions.fetch.validators import is_rest, strong_validator
from soundlift.common.errors import DatabaseUnavailable, StoreUnavailable, Unavailable
from soundlift.common.events import CONVERSION_FAILED, VIDEO_UPLOADED, event_for
from soundlift.common.jobs.model import MAX_IMPORT_ATTEMPTS, ImportClaim, Job
from soundlift.common.media import list_files
from soundlift.common.services import Services
from tests.api.uploads import read_stored
from tests.factories.jobs import MP4, job_now
from tests.imports.sources import (
    LARGE,
    FullStore,
    Source,
    age_source,
    allow_loopback,
    importing_job,
    job_from,
    source_rows,
)
from tests.outbound.servers import RawServer, redirect, response

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop

AN_HOUR_AGO = ("Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT", "Date: Wed, 21 Oct 2015 08:28:00 GMT")


def run(services: Services, job: Job) -> Job:
    """Deliver the event of a job, and return the job as it is then."""
    fetch(event_for(job), services)
    return job_now(services, job.id)


def failure(job: Job) -> tuple[str, str | None]:
    return job.state, job.error_code


def assert_nothing_stored(services: Services) -> None:
    assert list(list_files(services.videos)) == []


def test_the_file_at_a_url_becomes_the_video_of_a_queued_job(services: Services) -> None:
    with RawServer(Source(headers=["Content-Type: Video/MP4; x=y"])).running() as server:
        job = job_from(services, server, "/a%20talk.mp4?token=secret")
        reply = fetch(event_for(job), services)
        assert "GET /a%20talk.mp4?token=secret HTTP/1.1\r\n" in server.heads[0]
    assert reply is not None
    assert reply.get_type() == VIDEO_UPLOADED
    queued = job_now(services, job.id)
    assert (queued.state, queued.file_name, queued.content_type) == ("queued", "a talk.mp4", "video/mp4")
    assert (queued.video_bytes, queued.percent, queued.resend_at is not None) == (len(LARGE), 0, True)
    assert read_stored(services, queued.video_fid) == LARGE
    assert source_rows(services) == []
    assert services.jobs.claim(queued)  # its turn comes as that of every other job


def test_a_repeated_event_gets_the_same_reply_and_imports_nothing_again(services: Services) -> None:
    with RawServer(Source()).running() as server:
        event = event_for(job_from(services, server))
        replies = [fetch(event, services) for _ in range(2)]
        assert len(server.heads) == 1
    assert replies[0] is not None
    assert replies[1] is not None
    assert replies[0].get_id() == replies[1].get_id()


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        (['Content-Disposition: attachment; filename="My talk.mp4"'], "My talk.mp4"),
        (["Content-Disposition: attachment; filename*=UTF-8''%C3%9Cber%20uns.mp4"], "Über uns.mp4"),
        (['Content-Disposition: attachment; filename="../../etc/pass\x01wd"'], "pass_wd"),
        (['Content-Disposition: attachment; filename="C:\\\\a\\\\b.mp4"'], "b.mp4"),
        (['Content-Disposition: attachment; filename="Ã\x9cber.mp4"'], "Über.mp4"),
        (["Content-Disposition: attachment; filename*=utf-7''+AC8-"], "+AC8-"),
        (["Content-Disposition: ;;;=\"'", "Content-Disposition: x"], "talk.mp4"),
        ([f"Content-Disposition: attachment; filename={'a' * 60_000}"], "a" * 200),
    ],
)
def test_the_file_is_named_as_its_server_says_as_far_as_that_is_harmless(
    services: Services, headers: list[str], name: str
) -> None:
    with RawServer(Source(MP4, headers=headers)).running() as server:
        assert run(services, job_from(services, server)).file_name == name


def test_a_name_that_the_user_has_chosen_is_kept_and_one_in_the_last_url_is_better_than_none(
    services: Services,
) -> None:
    with RawServer(Source(MP4, headers=['Content-Disposition: attachment; filename="b.mp4"'])).running() as server:
        allow_loopback(services)
        assert run(services, importing_job(services, server.url, is_named=True)).file_name == "talk.mp4"
    with (
        RawServer(Source(MP4)).running() as server,
        RawServer(redirect(f"{server.url}/{quote('ü')}.mov")).running() as short,
    ):
        assert run(services, job_from(services, short, "/x1")).file_name == "ü.mov"


@pytest.mark.parametrize(
    ("headers", "validator"),
    [(['ETag: "1"'], '"1"'), (AN_HOUR_AGO, "Wed, 21 Oct 2015 07:28:00 GMT")],
    ids=["etag", "date"],
)
def test_a_connection_that_is_cut_is_resumed_where_it_ended(
    services: Services, headers: list[str], validator: str
) -> None:
    source = Source(cuts=[700_000, 0, 900_000], headers=headers, validator=validator)
    with RawServer(source).running() as server:
        job = run(services, job_from(services, server))
        assert job.state == "queued"
        assert read_stored(services, job.video_fid) == LARGE
        assert [f"If-Range: {validator}\r\n" in head for head in server.heads] == [False, True, True, True]
        assert "Range: bytes=1600000-\r\n" in server.heads[3]


@pytest.mark.parametrize(
    "source",
    [
        Source(cuts=[700_000], headers=[]),
        Source(cuts=[700_000], headers=['ETag: W/"1"', *AN_HOUR_AGO]),
        Source(cuts=[700_000], headers=[AN_HOUR_AGO[0], AN_HOUR_AGO[0].replace("Last-Modified", "Date")]),
        Source(cuts=[700_000], validator='"2"'),  # the file has changed, and is sent in whole
    ],
    ids=["none", "weak", "too recent", "changed"],
)
def test_parts_that_may_be_of_different_files_are_never_joined(services: Services, source: Source) -> None:
    with RawServer(source).running() as server:
        job = run(services, job_from(services, server))
        assert (job.state, job.percent) == ("importing", 0)
        assert_nothing_stored(services)
        age_source(services, job, 31)
        assert run(services, job).state == "queued"
        assert read_stored(services, job_now(services, job.id).video_fid) == LARGE


@pytest.mark.parametrize(
    ("content_range", "status"),
    [("bytes 0-{last}/{size}", 206), ("bytes 700000-{last}/9", 206), ("bytes 700000-700000/{size}", 206), ("x", 206)],
)
def test_a_part_that_does_not_begin_where_the_file_ended_is_not_used(
    services: Services, content_range: str, status: int
) -> None:
    shown = content_range.format(last=len(LARGE) - 1, size=len(LARGE))
    source = Source(cuts=[700_000])

    def answer(head: str) -> Iterator[bytes]:
        if "Range:" not in head:
            yield from source(head)
        else:
            yield response(LARGE[700_000:], f"Content-Range: {shown}", status=f"{status} Partial Content")

    with RawServer(answer).running() as server:
        assert run(services, job_from(services, server)).state == "importing"
        assert_nothing_stored(services)


@pytest.mark.parametrize(
    ("answer", "code", "sentence"),
    [
        (response(status="404 Secret"), "import_failed", "answered 404 Not Found."),
        (response(status="401 No"), "import_failed", "answered 401 Unauthorized."),
        (response(status="204 No"), "import_failed", "answered 204 No Content."),
        (response(MP4, status="206 Part"), "import_failed", "answered 206"),
        (response(status="599 Strange"), None, "answered 599."),
        (response(b""), "import_failed", "an empty file"),
        (response(b"<html>sign in</html>", "Content-Type: text/html; charset=utf-8"), "not_media", "a web page"),
        (response(b"hello" * 500), "not_media", "supported format"),
        (response(b"\x1f\x8b", "Content-Encoding: gzip"), "import_failed", "compressed"),
        (response(MP4, f"X: {'y' * 200_000}"), "import_failed", "not valid HTTP"),
        (redirect("http://10.0.0.1/"), "import_refused", "no address on the public internet"),
        (redirect("http://user:pw@example.org/"), "import_refused", "a user name or a password"),
        (redirect("/again"), "import_failed", "redirected more than 5 times"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", "import_too_large", "at most 3000 bytes"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + MP4 * 3, "import_too_large", "at most 3000 bytes"),
    ],
)
def test_each_reason_is_stated_to_the_owner(services: Services, answer: bytes, code: str | None, sentence: str) -> None:
    services.settings = replace(services.settings, max_upload_bytes=3000)
    with RawServer(answer).running() as server:
        job = run(services, job_from(services, server))
    assert_nothing_stored(services)
    if code is None:  # another attempt follows
        assert (job.state, source_rows(services)[0].last_cause) == ("importing", f"The server of the file {sentence}")
        return
    assert failure(job) == ("failed", code)
    assert sentence in str(job.error)
    assert (job.video_bytes, source_rows(services)) == (None, [])
    assert [job.id for job in services.notifications.due()] == [job.id]


def test_a_failed_import_is_replied_with_the_event_of_its_failure(services: Services) -> None:
    with RawServer(response(status="410 Gone")).running() as server:
        reply = fetch(event_for(job_from(services, server)), services)
    assert reply is not None
    assert reply.get_type() == CONVERSION_FAILED


def test_neither_the_log_nor_the_job_contains_the_secrets_of_a_url(services: Services) -> None:
    with RawServer(response(b"", "Malformed", status="500 x")).running() as server, capture_logs() as logs:
        job = run(services, job_from(services, server, "/path/talk.mp4?token=topsecret"))
    assert "topsecret" not in str(logs) + str(job) + str(services.jobs.history(job.id))


def test_trouble_of_the_server_is_waited_out_longer_each_time_and_then_stated(services: Services) -> None:
    with RawServer(response(b"", "Retry-After: 40", status="503 x")).running() as server:
        job = job_from(services, server)
        pauses = []
        for _ in range(MAX_IMPORT_ATTEMPTS):
            before = time.time()
            job = run(services, job)
            if rows := source_rows(services):
                pauses.append(round(rows[0].due_at - before, -1))
                assert services.jobs.due_imports() == []
                age_source(services, job, pauses[-1] + 10)
                assert [due.id for due in services.jobs.due_imports()] == [job.id]
    assert pauses == [40, 120, 600, 1800]
    assert failure(job) == ("failed", "import_failed")


@pytest.mark.parametrize(
    ("content_range", "length", "is_the_rest"),
    [
        *(("bytes 5-9/10", 10, True), ("bytes 5-9/10", None, True), ("bytes 5-9/*", 10, True)),
        *(("bytes 5-9/*", None, False), ("bytes 5-20/*", 10, False), ("bytes 5-8/*", 10, False)),
    ],
)
def test_a_part_is_the_rest_only_if_it_surely_ends_where_the_file_does(
    content_range: str, length: int | None, is_the_rest: bool
) -> None:
    assert is_rest({"content-range": content_range}, offset=5, length=length) == is_the_rest


def test_a_date_beyond_all_years_is_none(services: Services) -> None:
    never = "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"
    assert strong_validator({"last-modified": never, "date": never}) is None
    with RawServer(response(b"", f"Retry-After: {never}", status="503 x")).running() as server:
        job = run(services, job_from(services, server))
    assert (job.state, [row.claim for row in source_rows(services)]) == ("importing", [None])


def test_an_import_that_is_too_slow_or_takes_too_long_fails(services: Services) -> None:
    def endless(_: str) -> Iterator[bytes]:
        yield b'HTTP/1.1 200 OK\r\nETag: "1"\r\n\r\n' + MP4
        while True:
            time.sleep(0.05)
            yield b"."

    with RawServer(endless).running() as server:
        services.settings = replace(services.settings, import_seconds=1)
        job = run(services, job_from(services, server))
    assert (*failure(job), job.error) == ("failed", "import_timeout", "The import took longer than 1 seconds.")


def test_the_storage_of_the_owner_is_reserved_before_bytes_are_stored(services: Services) -> None:
    services.settings = replace(services.settings, max_stored_bytes=len(LARGE) - 1, max_upload_bytes=10**9)
    unknown = b"HTTP/1.1 200 OK\r\n\r\n" + LARGE
    for answer in (Source(), unknown):
        services.limits.change("ada@example.org", {"stored_bytes": len(LARGE) + 5000, "file_bytes": 10**9})
        with RawServer(answer).running() as server:
            assert run(services, job_from(services, server)).state == "queued"
            second = run(services, job_from(services, server))
        assert failure(second) == ("failed", "storage_full")
        with services.database.write() as connection:
            connection.exec_driver_sql("UPDATE job SET video_bytes = 0")


def test_a_cancelled_import_stops_and_leaves_nothing(services: Services) -> None:
    arrived, go_on = Event(), Event()

    def answer(head: str) -> Iterator[bytes]:
        for number, block in enumerate(Source()(head)):
            if number == 10:
                arrived.set()
                go_on.wait(30)
            yield block

    with RawServer(answer).running() as server, ThreadPoolExecutor(1) as pool:
        job = job_from(services, server)
        running = pool.submit(fetch, event_for(job), services)
        assert arrived.wait(30)
        assert services.jobs.cancel(job.id)
        go_on.set()
        assert running.result(30) is None
    cancelled = job_now(services, job.id)
    assert (cancelled.state, cancelled.video_bytes, cancelled.has_video) == ("cancelled", None, False)
    assert source_rows(services) == []
    assert_nothing_stored(services)
    assert services.jobs.delete(job.id)


def test_a_worker_whose_claim_has_lapsed_can_neither_queue_the_job_nor_keep_its_file(services: Services) -> None:
    """The first worker hangs until a second one has imported the file; both write, each to a file of its own."""
    reached, go_on = Event(), Event()
    sources = [Source(), Source()]

    def answer(head: str) -> Iterator[bytes]:
        is_first = len(sources) == 2
        for number, block in enumerate(sources.pop()(head)):
            if is_first and number == 30:
                reached.set()
                go_on.wait(30)
            yield block

    with RawServer(answer).running() as server, ThreadPoolExecutor(1) as pool:
        job = job_from(services, server)
        hung = pool.submit(fetch, event_for(job), services)
        assert reached.wait(30)
        age_source(services, job, 3600)
        assert run(services, job).state == "queued"
        go_on.set()
        with suppress(Unavailable):  # its file is deleted under it, perhaps before the other worker has the claim
            hung.result(30)
    stored = job_now(services, job.id)
    assert [file.fid for file in list_files(services.videos)] == [stored.video_fid]
    assert read_stored(services, stored.video_fid) == LARGE


def test_an_import_that_another_worker_has_claimed_is_left_alone(services: Services) -> None:
    job = importing_job(services)
    claim = services.jobs.claim_import(job)
    assert claim is not None
    assert fetch(event_for(job), services) is None
    assert job_now(services, job.id).video_fid == claim.video_fid
    assert services.jobs.renew_import(claim, percent=5)


def test_trouble_of_the_store_does_not_count_as_an_attempt(services: Services) -> None:
    with RawServer(Source()).running() as server:
        job = job_from(services, server)
        videos = services.videos
        services.videos = FullStore(services)
        with pytest.raises(StoreUnavailable):
            fetch(event_for(job), services)
        assert (source_rows(services)[0].attempts, source_rows(services)[0].claim) == (0, None)
        services.videos = videos
        assert run(services, job).state == "queued"


def test_a_file_is_kept_if_the_job_was_queued_before_the_connection_to_the_database_was_lost(
    services: Services,
) -> None:
    class Forgetful(type(services.jobs)):  # type: ignore[misc]
        def finish_import(self, claim: ImportClaim, **named: object) -> Job | None:
            super().finish_import(claim, **named)
            raise DatabaseUnavailable("The database does not answer.")

    with RawServer(Source()).running() as server:
        job = job_from(services, server)
        services.jobs = Forgetful(services.database)
        with pytest.raises(DatabaseUnavailable):
            fetch(event_for(job), services)
    assert job_now(services, job.id).state == "queued"
    assert read_stored(services, job_now(services, job.id).video_fid) == LARGE
