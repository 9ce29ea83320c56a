"""An import whose worker stops or dies goes on where it was, if the file is surely the same."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
import sqlalchemy as sa

from devservers.mongodb import MongoDb
from devservers.s3 import S3
from devservers.waiting import wait_for
from functions.fetch.handler import fetch
from soundlift.common.db.tables import resumable_uploads
from soundlift.common.errors import Unavailable
from soundlift.common.events import event_for
from soundlift.common.jobs.model import CLAIM_SECONDS, ImportClaim, Job, StoredPart
from soundlift.common.media import list_files
from soundlift.common.media.gridfs.server import close_client
from soundlift.common.process.shutdown import Shutdown
from soundlift.common.services import Services
from tests.api.uploads import read_stored
from tests.factories.accounts import bearer
from tests.factories.jobs import job_now
from tests.factories.manifests import ROOT
from tests.fixtures.functions import Call
from tests.imports.sources import (
    LARGE,
    SLICE,
    SlowSource,
    Source,
    age_source,
    first_byte,
    importing_job,
    job_from,
    source_rows,
    stored_bytes,
)
from tests.outbound.servers import RawServer

WORKER = """
import os, sys
from functions.fetch.handler import fetch
from soundlift.common.events import event_for
from soundlift.common.services import Services
from soundlift.common.settings import Settings

services = Services(Settings.from_environment(os.environ))
fetch(event_for(services.jobs.find(sys.argv[1])), services)
"""
OTHER = LARGE[:-1] + b"x"


@contextmanager
def half_imported(services: Services, source: Source) -> Iterator[tuple[RawServer, Job]]:
    """Yield the server of a source and an import from it whose worker had to stop after it had stored a block."""

    class Stopping(Services):
        shutdown = Shutdown()

    def answer(head: str) -> Iterator[bytes]:
        for number, block in enumerate(source(head)):
            if number == 20:  # the store has a block of 1 MiB
                stopping.shutdown.begin()
            for position in range(0, len(block), SLICE):
                if stopping.shutdown.is_overdue(0):
                    stopped.wait(0.02)
                yield block[position : position + SLICE]

    stopped = Event()
    with RawServer(answer).running() as server:
        job = job_from(services, server)
        stopping = Stopping(replace(services.settings, drain_seconds=0))
        with pytest.raises(Unavailable, match="shutting down"):
            fetch(event_for(job), stopping)
        stopped.set()
        stopping.database.engine.dispose()
        assert (source_rows(services)[0].attempts, source_rows(services)[0].claim) == (0, None)
        yield server, job_now(services, job.id)


def assert_imported(services: Services, job: Job, content: bytes) -> None:
    queued = job_now(services, job.id)
    assert (queued.state, queued.video_bytes, queued.file_name) == ("queued", len(content), "talk.mp4")
    assert read_stored(services, queued.video_fid) == content
    assert [file.fid for file in list_files(services.videos)] == [queued.video_fid]
    with services.database.read() as connection:
        assert connection.execute(sa.select(resumable_uploads)).all() == []


def test_a_worker_that_has_to_stop_leaves_the_rest_of_its_import_to_another_one(services: Services) -> None:
    with half_imported(services, Source()) as (server, job):
        stored = stored_bytes(services)
        assert stored > 0
        fetch(event_for(job), services)
        assert [first_byte(head) for head in server.heads] == [None, stored]
        assert '\r\nIf-Range: "1"\r\n' in server.heads[1]
    assert_imported(services, job, LARGE)


def test_a_worker_that_is_killed_leaves_the_rest_of_its_import_to_another_one(
    services: Services, data_folder: Path
) -> None:
    own = {"SOUNDLIFT_DATA": str(data_folder), "OUTBOUND_ALLOW": "127.0.0.0/8", "OUTBOUND_PORTS": "*"}
    killed = Event()
    with RawServer(SlowSource(LARGE, killed.is_set)).running() as server:
        job = job_from(services, server)
        worker = subprocess.Popen([sys.executable, "-c", WORKER, job.id], env={**os.environ, **own}, cwd=ROOT)
        try:
            wait_for(lambda: stored_bytes(services) > 0, "a part of the video is stored")
        finally:
            worker.kill()
            worker.wait()
        stored = stored_bytes(services)
        killed.set()
        age_source(services, job, CLAIM_SECONDS + 1)
        fetch(event_for(job), services)
        assert [first_byte(head) for head in server.heads] == [None, stored]
    assert_imported(services, job, LARGE)


def test_a_worker_that_hangs_cannot_damage_what_another_one_continues(services: Services) -> None:
    """It wakes up in the middle of the file while the other one is writing it, and after that is complete."""
    committed, continued, go_on = Event(), Event(), Event()
    source = SlowSource(LARGE, committed.is_set)

    def answer(head: str) -> Iterator[bytes]:
        is_first = first_byte(head) is None
        for number, block in enumerate(source(head) if is_first else Source()(head)):
            yield block
            if is_first and committed.is_set():
                continued.wait(30)
            if not is_first and number == 2:
                continued.set()
                go_on.wait(30)

    with RawServer(answer).running() as server, ThreadPoolExecutor(2) as pool:
        job = job_from(services, server)
        hung = pool.submit(fetch, event_for(job), services)
        wait_for(lambda: stored_bytes(services) > 0, "a part is stored")
        stored = stored_bytes(services)
        age_source(services, job, 3600)
        other = pool.submit(fetch, event_for(job), services)
        committed.set()
        assert hung.result(60) is None
        go_on.set()
        assert other.result(60) is not None
        assert (first_byte(server.heads[1]) or 0) >= stored
    assert_imported(services, job, LARGE)


def test_a_file_that_has_changed_is_imported_anew(services: Services) -> None:
    source = Source()
    with half_imported(services, source) as (server, job):
        source.content, source.validator, source.headers = OTHER, '"2"', ('ETag: "2"',)
        fetch(event_for(job), services)
        assert job_now(services, job.id).state == "importing"
        assert list(list_files(services.videos)) == []
        age_source(services, job, 31)
        fetch(event_for(job), services)
        assert [first_byte(head) is None for head in server.heads] == [True, False, True]
    assert_imported(services, job, OTHER)


@pytest.mark.parametrize(
    "headers", [(), ('ETag: W/"1"',), (f'ETag: "{"1" * 60_000}"',)], ids=["no validator", "weak", "too long"]
)
def test_a_file_without_a_strong_validator_is_imported_anew(services: Services, headers: tuple[str, ...]) -> None:
    with half_imported(services, Source(headers=headers)) as (server, job):
        fetch(event_for(job), services)
        assert [first_byte(head) for head in server.heads] == [None, None]
    assert_imported(services, job, LARGE)


def test_an_import_whose_beginning_the_store_has_lost_begins_anew(services: Services) -> None:
    with half_imported(services, Source()) as (server, job):
        services.videos.delete(job.video_fid)
        with pytest.raises(Unavailable, match="begins anew"):
            fetch(event_for(job), services)
        fetch(event_for(job), services)
        assert first_byte(server.heads[-1]) is None
    assert_imported(services, job, LARGE)


def of_unknown_length(head: str) -> Iterator[bytes]:
    """Answer with the file in chunks, without its length."""
    assert first_byte(head) is None
    yield b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: "1"\r\n\r\n'
    for position in range(0, len(LARGE), 65536):
        block = LARGE[position : position + 65536]
        yield b"%x\r\n%s\r\n" % (len(block), block)
    yield b"0\r\n\r\n"


@pytest.fixture(params=["folder", *(pytest.param(name, marks=pytest.mark.servers) for name in ("gridfs", "s3"))])
def any_store(request: pytest.FixtureRequest, services: Services) -> Iterator[Services]:
    """Return services with a store of each kind."""
    if request.param != "folder":
        server: MongoDb | S3 = request.getfixturevalue({"gridfs": "mongodb_server", "s3": "s3_server"}[request.param])
        url = server.url_for_stacks if isinstance(server, MongoDb) else server.url()
        services.settings = replace(services.settings, media_url=url)
    yield services
    for file in list_files(services.videos):
        services.videos.delete(file.fid)
    if request.param == "gridfs":
        close_client(services.settings.media_url, os.getpid())


@pytest.mark.parametrize("last_step", ["save_import", "finish_import"])
@pytest.mark.parametrize("source", [Source(), of_unknown_length], ids=["known length", "unknown length"])
def test_a_file_that_had_arrived_completely_is_not_requested_again(
    any_store: Services, source: Callable[[str], Iterator[bytes]], last_step: str
) -> None:
    """Its worker dies after it has stored the last bytes, or after it has finished the file."""

    class Killed(BaseException):
        pass

    class Dying(type(any_store.jobs)):  # type: ignore[misc]
        def save_import(self, claim: ImportClaim, part: StoredPart) -> None:
            super().save_import(claim, part)
            if last_step == "save_import" and part.received == part.length:
                raise Killed

        def finish_import(self, *_: object, **__: object) -> Job | None:
            raise Killed

    services = any_store
    with RawServer(source).running() as server:
        job = job_from(services, server)
        jobs, services.jobs = services.jobs, Dying(services.database)
        with pytest.raises(Killed):
            fetch(event_for(job), services)
        services.jobs = jobs
        assert stored_bytes(services) == len(LARGE)
        age_source(services, job, 31)
        fetch(event_for(job), services)
        assert len(server.heads) == 1
    assert_imported(services, job, LARGE)


def test_nobody_can_continue_an_import_as_an_upload(function: Call, services: Services) -> None:
    services.settings = replace(services.settings, max_unfinished_uploads=1)
    job = importing_job(services)
    claim = services.jobs.claim_import(job)
    assert claim is not None
    upload, tus = function("upload"), {**bearer(services), "Tus-Resumable": "1.0.0"}
    assert upload.get("/files", headers=bearer(services)).json["uploads"] == []
    for call, headers in (
        (upload.head, {}),
        (upload.delete, {}),
        (upload.patch, {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}),
    ):
        assert call(f"/files/{job.id}", headers={**tus, **headers}).status_code == 404
    assert upload.post("/files", headers={**tus, "Upload-Length": "10"}).status_code == 201
    part = StoredPart(received=1, state="{}", length=None, validator=None, file_name=None, content_type=None)
    services.jobs.save_import(claim, part)  # its epoch is what it was
