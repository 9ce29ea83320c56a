"""upload: how resumable uploads are repeated, taken over, deleted and listed, and how they expire and end."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from soundlift.common.db.tables import resumable_uploads as table
from soundlift.common.errors import StoreUnavailable
from soundlift.common.media import MediaInfo
from soundlift.common.media.folder.resumption import FolderResumption
from soundlift.common.services import Services
from tests.api.tus import OFFSET_TYPE, VIDEO, Tus, metadata, path_of
from tests.api.uploads import only_job, read_stored, traces
from tests.factories.accounts import bearer
from tests.factories.jobs import age, job_now
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call


@pytest.fixture
def tus(function: Call, services: Services) -> Tus:
    return Tus.of(function, services)


def stored(services: Services) -> bytes:
    return read_stored(services, only_job(services).video_fid)


def test_an_idempotency_key_leads_to_the_same_upload_and_job(tus: Tus, services: Services) -> None:
    key = '"one"'
    path = tus.begin(Idempotency_Key=key)
    tus.patch(path, 0, VIDEO[:1000])
    again = tus.create(Idempotency_Key=key)
    assert (path_of(again), again.headers["Upload-Offset"]) == (path, "1000")
    assert_problem(tus.create(len(VIDEO) + 1, Idempotency_Key=key), 422, code="idempotency_key_reused")
    assert_problem(tus.create(Idempotency_Key=key, Upload_Metadata=metadata(format="opus")), 422)
    tus.patch(path, 1000, VIDEO[1000:])
    again = tus.create(Idempotency_Key=key)
    assert again.headers["Soundlift-Job"] == only_job(services).id
    shown = tus.client.get("/", headers={**tus.authorization, "Idempotency-Key": key})
    assert shown.json["job_id"] == only_job(services).id
    assert tus.delete(path).status_code == 204
    assert_problem(tus.create(Idempotency_Key=key), 410, code="upload_deleted")


def test_the_last_request_can_be_repeated(tus: Tus, services: Services) -> None:
    path = tus.begin()
    tus.patch(path, 0, VIDEO)
    job = only_job(services)
    assert_problem(tus.patch(path, 0, VIDEO), 409, code="offset_conflict")
    assert_problem(tus.patch(path, len(VIDEO), b"x"), 413)
    for response in (tus.head(path), tus.patch(path, len(VIDEO), b"")):
        assert response.headers["Upload-Offset"] == response.headers["Upload-Length"] == str(len(VIDEO))
        assert response.headers["Soundlift-Job"] == job.id
    assert job_now(services, job.id) == job


@pytest.mark.parametrize("received", [0, 100, 100_000, len(VIDEO)])
def test_a_deleted_upload_leaves_nothing(tus: Tus, services: Services, function: Call, received: int) -> None:
    path = tus.begin()
    if received:
        tus.patch(path, 0, VIDEO[:received])
    assert tus.delete(path).status_code == 204
    function("cleanup").post("/")
    assert traces(services) == []
    assert_problem(tus.patch(path, received, VIDEO[received:]), 410, code="upload_deleted")
    assert tus.head(path).status_code == 410
    assert_problem(tus.delete(path), 410, code="upload_deleted")


def test_an_upload_expires_without_new_bytes_and_then_leaves_nothing(
    tus: Tus, services: Services, function: Call
) -> None:
    path = tus.begin(Idempotency_Key='"one"')
    tus.patch(path, 0, VIDEO[:100_000])
    job = only_job(services)
    age(services, job, services.settings.resume_seconds - 60)
    function("cleanup").post("/")
    assert tus.patch(path, 100_000, VIDEO[100_000:-1]).status_code == 204
    age(services, job, services.settings.resume_seconds - 60)
    function("cleanup").post("/")
    assert job_now(services, job.id).state == "receiving"
    age(services, job, 120)
    assert function("cleanup").post("/").json["orphans"] == 1
    assert traces(services) == []
    assert tus.head(path).status_code == 410
    assert tus.create(Idempotency_Key='"one"').status_code == 201


def test_cleanup_forgets_an_upload_some_time_after_its_end(tus: Tus, services: Services, function: Call) -> None:
    path = tus.begin()
    tus.patch(path, 0, VIDEO)
    job = only_job(services)
    function("cleanup").post("/")
    assert tus.head(path).headers["Soundlift-Job"] == job.id
    expire(services, path)
    function("cleanup").post("/")
    assert tus.head(path).status_code == 404
    assert job_now(services, job.id) == job


def expire(services: Services, path: str) -> None:
    with services.database.write() as connection:
        connection.execute(table.update().where(table.c.id == path.rpartition("/")[2]).values(expires_at=1.0))


def test_uploads_of_others_do_not_exist(tus: Tus, services: Services, function: Call) -> None:
    path = tus.begin()
    before = services.resumable_uploads.find(path.rpartition("/")[2])
    for email in ("bob@example.org", "root@example.org"):
        other = Tus.of(function, services, email)
        assert other.head(path).status_code == 404
        assert_problem(other.patch(path, 0, VIDEO), 404, code="not_found")
        assert_problem(other.delete(path), 404, code="not_found")
        assert other.client.get("/files", headers=other.authorization).json == {"uploads": []}
    assert services.resumable_uploads.find(path.rpartition("/")[2]) == before
    for unknown in ("/files/" + "0" * 24, "/files/x", "/files/%00"):
        assert tus.head(unknown).status_code == 404


def test_the_unfinished_uploads_are_listed(tus: Tus, services: Services) -> None:
    path, deferred = tus.begin(Upload_Metadata=metadata(filename="a.mp4")), tus.begin(None)
    tus.patch(path, 0, VIDEO[:7])
    listed = tus.client.get("/files", headers=tus.authorization).json["uploads"]
    assert {one["url"].rpartition("/")[2] for one in listed} == {each.rpartition("/")[2] for each in (path, deferred)}
    mine = next(one for one in listed if one["length"])
    assert (mine["file_name"], mine["offset"], mine["length"], mine["job_id"]) == ("a.mp4", 7, len(VIDEO), None)
    tus.patch(path, 7, VIDEO[7:])
    assert len(tus.client.get("/files", headers=tus.authorization).json["uploads"]) == 1


def test_every_request_needs_a_token_and_every_one_of_tus_its_version(tus: Tus, services: Services) -> None:
    path = tus.begin()
    requests: list[Callable[[dict[str, str]], int]] = [
        lambda headers, method=method, where=where: (
            tus.client.open(
                where, method=method, headers={"Upload-Length": "1", "Content-Type": OFFSET_TYPE, **headers}
            ).status_code
        )
        for method, where in (("POST", "/files"), ("HEAD", path), ("PATCH", path), ("DELETE", path))
    ]
    for request in requests:
        assert request({"Tus-Resumable": "1.0.0"}) == 401
        for version in ({}, {"Tus-Resumable": "0.2.2"}):
            assert request({**bearer(services), **version}) == 412
    refused = tus.client.head(path, headers=bearer(services))
    assert refused.headers["Tus-Version"] == refused.headers["Tus-Resumable"] == "1.0.0"
    assert tus.client.get("/files").status_code == 401


def test_options_names_what_is_supported_without_a_token(tus: Tus, services: Services) -> None:
    headers = tus.client.options("/files").headers
    assert headers["Tus-Version"] == "1.0.0"
    assert headers["Tus-Max-Size"] == str(services.settings.max_upload_bytes)
    assert headers["Tus-Checksum-Algorithm"] == "sha1"
    assert set(headers["Tus-Extension"].split(",")) == {
        *("creation", "creation-with-upload", "creation-defer-length", "termination", "expiration", "checksum")
    }
    assert "Tus-Version" not in tus.client.options("/").headers


def test_a_client_that_can_only_post_names_the_method_in_a_header(tus: Tus, services: Services) -> None:
    path = tus.begin()
    headers = {"Content-Type": OFFSET_TYPE, "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    assert tus.send("POST", path, VIDEO[:9], **headers).headers["Upload-Offset"] == "9"
    shown = tus.send("POST", path, **{"X-HTTP-Method-Override": "HEAD"})
    assert (shown.status_code, shown.headers["Upload-Offset"]) == (200, "9")
    assert tus.send("POST", path, **{"X-HTTP-Method-Override": "DELETE"}).status_code == 204
    assert_problem(tus.send("POST", path), 405)


def test_a_body_of_another_type_is_refused(tus: Tus, services: Services) -> None:
    path = tus.begin()
    headers = {"Upload-Offset": "0", "Content-Type": "video/mp4"}
    assert_problem(tus.send("PATCH", path, VIDEO, **headers), 415, code="unsupported_media_type")
    response = tus.send("POST", "/files", VIDEO, **{"Upload-Length": str(len(VIDEO)), "Content-Type": "video/mp4"})
    assert_problem(response, 415, code="unsupported_media_type")
    assert tus.offset(path) == 0


class Interrupting(io.BytesIO):
    """A body that calls a function once, after its first block."""

    def __init__(self, data: bytes, interrupt: Callable[[], object]) -> None:
        super().__init__(data)
        self._interrupt = interrupt

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell():
            self._interrupt()
            self._interrupt = lambda: None
        return super().read(size)


def test_a_request_that_was_taken_over_can_never_commit_again(tus: Tus, services: Services) -> None:
    path = tus.begin()
    tus.patch(path, 0, VIDEO[:70_000])

    def take_over() -> None:
        assert tus.offset(path) == 70_000
        assert tus.patch(path, 70_000, VIDEO[70_000:100_000]).status_code == 204

    assert_problem(tus.patch(path, 70_000, Interrupting(b"x" * 130_000, take_over)), 409, code="upload_superseded")
    assert tus.offset(path) == 100_000
    assert_problem(tus.patch(path, 100_000, Interrupting(VIDEO[100_000:], lambda: tus.offset(path))), 409)
    assert tus.patch(path, 100_000, VIDEO[100_000:-1]).status_code == 204
    assert tus.patch(path, len(VIDEO) - 1, VIDEO[-1:]).status_code == 204
    assert stored(services) == VIDEO


def test_two_replicas_can_take_turns(function: Call, services: Services) -> None:
    other = Services(services.settings)
    path, size = Tus.of(function, services).begin(), 30_000
    for number, start in enumerate(range(0, len(VIDEO), size)):
        tus = Tus.of(function, other if number % 2 else services)
        assert tus.offset(path) == start
        assert tus.patch(path, start, VIDEO[start : start + size]).status_code == 204
    assert stored(services) == VIDEO
    other.database.engine.dispose()


class Unfinished(FolderResumption):
    """The files of a folder whose disk fails at their end."""

    def finish(self, fid: str, state: str, info: MediaInfo, *, size: int) -> None:
        raise StoreUnavailable("The media store cannot be used.")


def send_while_files_cannot_be_finished(tus: Tus, *paths: str) -> None:
    """Send the whole video to each upload."""
    with unfinished():
        for path in paths:
            assert_problem(tus.patch(path, 0, VIDEO), 503, code="store_unavailable")


@contextmanager
def unfinished() -> Iterator[None]:
    """Let the disk fail at the end of each file until the block ends."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("soundlift.common.media.folder.resumption.FolderResumption", Unfinished)
        yield


def age_arrivals(services: Services, seconds: float = 61, *conditions: sa.ColumnElement[bool]) -> None:
    """Move into the past when the last bytes of all uploads, or of those of the conditions, arrived."""
    with services.database.write() as connection:
        connection.execute(table.update().where(*conditions).values(arrived_at=table.c.arrived_at - seconds))


def test_cleanup_makes_the_job_of_an_upload_whose_last_request_failed_after_the_last_byte(
    tus: Tus, services: Services, function: Call
) -> None:
    path = tus.begin()
    with unfinished():
        assert_problem(tus.patch(path, 0, VIDEO), 503, code="store_unavailable")
        assert tus.head(path).status_code == 503
        function("cleanup").post("/")
        assert only_job(services).state == "receiving"
    age_arrivals(services)
    function("cleanup").post("/")
    assert only_job(services).state == "queued"
    assert stored(services) == VIDEO
    assert services.broker.receive(["video"], timeout=0) is not None


def test_an_upload_that_cannot_be_read_delays_no_other_one(
    tus: Tus, services: Services, function: Call, data_folder: Path
) -> None:
    send_while_files_cannot_be_finished(tus, *(tus.begin() for _ in range(3)))
    age_arrivals(services)
    unreadable, *others = (job_now(services, upload.id) for upload in services.resumable_uploads.unsettled())
    (part,) = data_folder.rglob(f"{unreadable.video_fid}.part")
    part.unlink()
    part.mkdir()
    function("cleanup").post("/")
    assert [job_now(services, job.id).state for job in others] == ["queued", "queued"]
    assert job_now(services, unreadable.id).state == "receiving"
    assert services.resumable_uploads.unsettled() == []


def test_uploads_that_cannot_be_read_go_behind_all_others(
    tus: Tus, services: Services, function: Call, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soundlift.common.jobs.resumable_uploads.BATCH", 1)
    paths = [tus.begin() for _ in range(2)]
    send_while_files_cannot_be_finished(tus, *paths)
    unreadable, readable = (path.rpartition("/")[2] for path in paths)
    for upload, seconds in ((unreadable, 62), (readable, 61)):
        age_arrivals(services, seconds, table.c.id == upload)
    (part,) = data_folder.rglob(f"{job_now(services, unreadable).video_fid}.part")
    part.unlink()
    part.mkdir()
    for _ in range(2):
        function("cleanup").post("/")
    assert job_now(services, readable).state == "queued"


def test_a_store_that_is_slow_keeps_cleanup_from_nothing_else(
    tus: Tus, services: Services, function: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    send_while_files_cannot_be_finished(tus, tus.begin())
    age_arrivals(services)
    with monkeypatch.context() as patch:
        patch.setattr("soundlift.common.jobs.arrivals.MAX_SECONDS", -1.0)
        assert function("cleanup").post("/").status_code == 200
        assert only_job(services).state == "receiving"
    function("cleanup").post("/")
    assert only_job(services).state == "queued"
