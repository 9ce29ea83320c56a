"""A conversion ends a job in the way that fits how it went, and gives back its place, its claim and its files."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from functions.convert.failures import EMPTY_AUDIO, ConversionFailed
from functions.convert.formats.mp3 import MP3
from functions.convert.handler import convert
from functions.convert.heartbeat import ClaimHeartbeat, ClaimLost
from functions.convert.output.finish import FinishedFile
from functions.convert.output.store import BLOCK, store_audio
from soundlift.common.errors import Busy, StoreUnavailable, Unavailable
from soundlift.common.events import CONVERSION_FAILED, MP3_READY, event_for
from soundlift.common.jobs.model import Claim, Job, State
from soundlift.common.jobs.store import CLAIM_SECONDS
from soundlift.common.logging import current_traceparent
from soundlift.common.media import MediaInfo, MediaWriter
from soundlift.common.services import Services
from tests.factories.jobs import job_now, queued_job
from tests.factories.media import store

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass
class Made:
    """A stand-in that makes no MP3 but calls what is given, and keeps how it was called."""

    then: Callable[[Job, Path, ClaimHeartbeat, Services], FinishedFile]
    spare_cores: list[int] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)

    def __call__(
        self, job: Job, folder: Path, heartbeat: ClaimHeartbeat, services: Services, *, spare_cores: int
    ) -> FinishedFile:
        self.spare_cores.append(spare_cores)
        self.folders.append(folder)
        return self.then(job, folder, heartbeat, services)


Make = Callable[[Callable[..., FinishedFile]], Made]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Make:

    def replaced(then: Callable[..., FinishedFile]) -> Made:
        made = Made(then)
        monkeypatch.setattr("functions.convert.handler.convert_video", made)
        return made

    return replaced


def _mp3(folder: Path, content: bytes = b"frames") -> FinishedFile:
    path = folder / "sound.mp3"
    path.write_bytes(content)
    return FinishedFile(MP3, path, b"tag", len(b"tag" + content), 12.5, 0.25)


def _made_well(job: Job, folder: Path, *_: Any) -> FinishedFile:
    return _mp3(folder)


def _failing(error: Exception) -> Callable[..., FinishedFile]:
    """Return what has stored some of an MP3, and fails."""

    def fail(job: Job, folder: Path, heartbeat: ClaimHeartbeat, services: Services) -> FinishedFile:
        store(services.mp3s, str(job_now(services, job.id).mp3_fid), b"half an MP3")
        raise error

    return fail


def _mp3s(services: Services) -> list[bytes]:
    return [path.read_bytes() for path in (services.settings.soundlift_data / "media" / "mp3s").glob("*")]


def test_a_ready_job_has_its_mp3_and_its_size_and_length(services: Services, made: Make) -> None:
    making, job = made(_made_well), queued_job(services)
    reply = convert(event_for(job), services)
    job = job_now(services, job.id)
    assert reply is not None
    assert reply.get_type() == MP3_READY
    assert (job.state, job.mp3_bytes, job.length, job.missing_seconds, job.attempts) == (State.READY, 9, 12.5, 0.25, 1)
    with services.mp3s.open(str(job.mp3_fid)).file as file:
        assert file.read() == b"tagframes"
    assert not making.folders[0].exists()


def test_a_failed_job_has_its_reason_and_no_mp3(services: Services, made: Make) -> None:
    making, job = made(_failing(ConversionFailed(EMPTY_AUDIO))), queued_job(services)
    reply = convert(event_for(job), services)
    job = job_now(services, job.id)
    assert reply is not None
    assert reply.get_type() == CONVERSION_FAILED
    assert (job.state, job.error_code, job.error) == (State.FAILED, EMPTY_AUDIO.code, EMPTY_AUDIO.message)
    assert _mp3s(services) == []
    assert not making.folders[0].exists()


@pytest.mark.parametrize(
    ("error", "raised", "cause"),
    [
        (StoreUnavailable("The store is away."), StoreUnavailable, "The store is away."),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), Unavailable, "disk is full"),
    ],
)
def test_an_error_of_the_worker_releases_the_job_with_its_cause(
    services: Services, made: Make, error: Exception, raised: type[Exception], cause: str
) -> None:
    making, job = made(_failing(error)), queued_job(services)
    with pytest.raises(raised, match=cause):
        convert(event_for(job), services)
    job = job_now(services, job.id)
    assert (job.state, job.attempts, job.error) == (State.QUEUED, 0, None)
    assert cause in str(job.last_cause)
    assert _mp3s(services) == []
    assert not making.folders[0].exists()


def test_a_lost_claim_leaves_the_job_as_it_is(services: Services, made: Make) -> None:
    made(_failing(ClaimLost()))
    job = queued_job(services)
    assert convert(event_for(job), services) is None
    assert job_now(services, job.id).state == State.CONVERTING
    assert _mp3s(services) == []


def test_a_conversion_uses_the_cores_that_no_other_uses(services: Services, made: Make) -> None:
    services.settings = replace(services.settings, convert_concurrency=3)
    jobs, outcomes = [queued_job(services) for _ in range(5)], list[int]()

    def convert_another(job: Job, folder: Path, *_: Any) -> FinishedFile:
        following = jobs[len(making.spare_cores)]
        if len(making.spare_cores) < 3:
            convert(event_for(following), services)
        else:
            with pytest.raises(Busy) as busy:
                convert(event_for(following), services)
            outcomes.append(busy.value.retry_after)
        return _mp3(folder)

    making = made(convert_another)
    convert(event_for(jobs[0]), services)
    assert making.spare_cores == [2, 1, 0]
    assert outcomes == [Busy("").retry_after]
    assert [job_now(services, job.id).state for job in jobs] == [State.READY] * 3 + [State.QUEUED] * 2
    making = made(_failing(RuntimeError("unforeseen")))
    for _ in range(4):
        with pytest.raises(RuntimeError):
            convert(event_for(jobs[4]), services)
        services.jobs.release(_claim_of(services, jobs[4]), cause="a bug")
    assert making.spare_cores == [2] * 4


def _claim_of(services: Services, job: Job) -> Claim:
    now = job_now(services, job.id)
    return Claim(job_id=job.id, token=str(now.claim), mp3_fid=str(now.mp3_fid))


def test_a_job_of_another_worker_is_retried_after_its_claim(services: Services, made: Make) -> None:
    making, job = made(_made_well), queued_job(services)
    assert services.jobs.claim(job)
    with pytest.raises(Busy) as busy:
        convert(event_for(job), services)
    assert busy.value.retry_after == CLAIM_SECONDS
    assert making.spare_cores == []


@pytest.mark.parametrize("step", ["claimed", "cancelled", "deleted"])
def test_a_job_that_another_takes_at_the_same_time_is_left_to_it(
    services: Services, made: Make, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    making, job, claim = made(_made_well), queued_job(services), services.jobs.claim

    def claim_too_late(read: Job) -> Claim | None:
        if step == "claimed":
            assert claim(job)
        else:
            assert services.jobs.cancel(job.id)
        if step == "deleted":
            assert services.jobs.delete(job.id)
        return claim(read)

    with monkeypatch.context() as patch:
        patch.setattr(services.jobs, "claim", claim_too_late)
        if step == "claimed":
            with pytest.raises(Busy) as busy:
                convert(event_for(job), services)
            assert busy.value.retry_after == CLAIM_SECONDS
        else:
            assert convert(event_for(job), services) is None
    assert making.spare_cores == []
    convert(event_for(queued_job(services)), services)
    assert making.spare_cores == [services.settings.convert_concurrency - 1]


def test_a_conversion_continues_the_trace_of_its_job_and_names_it_in_the_log(services: Services, made: Make) -> None:
    seen: list[tuple[str | None, Any]] = []

    def look(job: Job, folder: Path, *_: Any) -> FinishedFile:
        seen.append((current_traceparent(), structlog.contextvars.get_contextvars().get("job_id")))
        return _mp3(folder)

    made(look)
    job = services.jobs.receive(
        username="ada@example.org", file_name="a.mp4", content_type="video/mp4", traceparent=TRACE
    )
    store(services.videos, job.video_fid, b"video")
    assert services.jobs.queue(job.id, video_bytes=5)
    convert(event_for(job_now(services, job.id)), services)
    assert seen == [(TRACE, job.id)]


class _Told:
    """A media store that keeps what it is told of a file, and its writes."""

    def __init__(self, services: Services) -> None:
        self._mp3s = services.mp3s
        self.told: list[tuple[str, MediaInfo]] = []
        self.writes: list[int] = []

    def create(self, fid: str, info: MediaInfo) -> MediaWriter:
        self.told.append((fid, info))
        writer, writes = self._mp3s.create(fid, info), self.writes

        class Writer:
            abort, commit = writer.abort, writer.commit

            def write(self, data: bytes, /) -> int:
                writes.append(len(data))
                return writer.write(data)

        return Writer()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mp3s, name)


@dataclass
class _Checks:
    """A heartbeat that lets the work go on so many times."""

    left: int

    def check(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise ClaimLost


def test_an_mp3_is_stored_in_blocks_with_its_name_type_and_owner(services: Services, tmp_path: Path) -> None:
    job, content, told = queued_job(services, name="My film.mp4"), os.urandom(2 * BLOCK + 1), _Told(services)
    services.mp3s = told
    heartbeat: Any = _Checks(100)
    store_audio(job, _mp3(tmp_path, content), "a" * 24, heartbeat, services)
    with services.mp3s.open("a" * 24).file as file:
        assert file.read() == b"tag" + content
    assert told.told == [("a" * 24, MediaInfo("ada@example.org", "My film.mp3", "audio/mpeg", job.id))]
    assert told.writes == [3, BLOCK, BLOCK, 1]
    assert heartbeat.left == 97


@pytest.mark.parametrize("blocks", [0, 1, 2])
def test_an_mp3_whose_claim_is_lost_is_not_stored(services: Services, tmp_path: Path, blocks: int) -> None:
    heartbeat: Any = _Checks(blocks)
    with pytest.raises(ClaimLost):
        store_audio(queued_job(services), _mp3(tmp_path, bytes(3 * BLOCK)), "a" * 24, heartbeat, services)
    assert _mp3s(services) == []
