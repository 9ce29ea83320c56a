"""Trouble of ours is never a verdict on a video, and a video's trouble is never ours for long."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
import sqlalchemy as sa
from cloudevents.core.v1.event import CloudEvent

from devservers.waiting import wait_for
from functions.convert.conversion import make_mp3
from functions.convert.disk import check_disk, workers_trouble_is_unavailable
from functions.convert.encode.ffmpeg import Ffmpeg, binary
from functions.convert.failures import CUT_OFF, ConversionFailed, check_outcome, has_damage, sign_in
from functions.convert.handler import app, convert
from functions.convert.heartbeat import Keeper
from functions.convert.plan.arguments import MP3
from functions.convert.probe.report import read_report
from functions.convert.probe.sound import Decoded
from soundlift.common.errors import Busy, Unavailable
from soundlift.common.events import event_of, to_http
from soundlift.common.jobs.model import Job, State
from soundlift.common.services import Services
from tests.factories.clips import SINE, ffmpeg, talking_mp4
from tests.factories.jobs import job_now, queued_job
from tests.factories.problems import assert_problem
from tests.factories.stores import held

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, or writes to /dev/full")


@pytest.fixture(scope="module")
def long_sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Make five minutes, far more than the sockets between store and FFmpeg hold."""
    file = tmp_path_factory.mktemp("clip") / "long.wav"
    return ffmpeg(file, "-f", "lavfi", "-i", "sine=duration=300:sample_rate=48000").read_bytes()


@pytest.fixture
def worker(services: Services) -> Iterator[Services]:
    worker = Services(services.settings)
    yield worker
    worker.database.engine.dispose()


def _start(worker: Services, job: Job, pool: ThreadPoolExecutor) -> Future[CloudEvent | None]:
    return pool.submit(convert, event_of(job), worker)


def _ffmpegs() -> dict[int, bytes]:
    """Return the arguments of all FFmpegs that are children of this process, by their process ids."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            command = (path.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == os.getpid() and command.split(b"\0")[0] == binary().encode():
            found[int(path.parent.name)] = command
    return found


@on_linux
@pytest.mark.parametrize(
    ("share", "cores", "argument"),
    [
        pytest.param(0.0, 1, str(MP3), id="at the first byte"),
        pytest.param(0.5, 1, str(MP3), id="half way"),
        pytest.param(0.5, 2, "-filter_complex", id="the decoder of all parts"),
        pytest.param(0.5, 2, "part1.mp3", id="the encoder of a part"),
    ],
)
def test_an_ffmpeg_killed_from_outside_costs_no_attempt(
    services: Services, worker: Services, long_sound: bytes, share: float, cores: int, argument: str
) -> None:
    # On several cores the first FFmpeg only tells what is in the file: one that is killed then is not missed.
    services.settings = worker.settings = replace(services.settings, convert_concurrency=cores)
    job = queued_job(services, long_sound)
    worker.videos, waiting, let_go = held(services.videos, beyond=int(len(long_sound) * share))

    def at_work() -> int | None:
        return next((pid for pid, command in _ffmpegs().items() if argument.encode() in command), None)

    with ThreadPoolExecutor() as pool:
        conversion = _start(worker, job, pool)
        try:
            assert waiting.wait(30)
            os.kill(wait_for(at_work, "the FFmpeg whose work counts runs"), signal.SIGKILL)
            with pytest.raises(Unavailable):
                conversion.result(timeout=30)
        finally:
            let_go.set()
    now = job_now(services, job.id)
    assert (now.state, now.attempts, now.error) == (State.QUEUED, 0, None)


def test_a_database_that_comes_back_within_the_claim_does_not_end_the_work(
    services: Services, worker: Services, long_sound: bytes
) -> None:
    job = queued_job(services, long_sound)
    refused = Event()
    sa.event.listen(worker.database.engine, "handle_error", lambda context: refused.set())
    worker.videos, waiting, let_go = held(services.videos, beyond=len(long_sound) // 2)
    with ThreadPoolExecutor() as pool:
        conversion = _start(worker, job, pool)
        try:
            assert waiting.wait(30)
            _rename(services, "job", "hidden")
            assert refused.wait(30)
            _rename(services, "hidden", "job")
        finally:
            let_go.set()
    assert conversion.result() is not None
    assert job_now(services, job.id).state == State.READY


def _rename(services: Services, old: str, new: str) -> None:
    with services.database.write() as connection:
        connection.execute(sa.text(f"ALTER TABLE {old} RENAME TO {new}"))


def test_the_percent_never_falls(services: Services, worker: Services, long_sound: bytes) -> None:
    job = queued_job(services, long_sound)
    worker.videos, waiting, let_go = held(services.videos, beyond=len(long_sound) // 2)
    seen: list[int] = []
    with ThreadPoolExecutor() as pool:
        conversion = _start(worker, job, pool)
        try:
            assert waiting.wait(30)
            wait_for(lambda: job_now(services, job.id).percent, "a percent is written")
        finally:
            let_go.set()
        while not conversion.done():
            seen.append(job_now(services, job.id).percent)
    seen.append(job_now(services, job.id).percent)
    assert seen == sorted(seen)
    assert seen[-1] == 100


def test_a_worker_with_no_place_free_says_over_http_when_to_come_again(
    services: Services, worker: Services, tmp_path: Path
) -> None:
    services.settings = worker.settings = replace(services.settings, convert_concurrency=1)
    video = talking_mp4(tmp_path).read_bytes()
    first, second = queued_job(services, video), queued_job(services, video)
    worker.videos, waiting, let_go = held(services.videos, beyond=0)
    app.services = services
    headers, body = to_http(event_of(second))
    with ThreadPoolExecutor() as pool:
        conversion = _start(worker, first, pool)
        try:
            assert waiting.wait(30)
            assert_problem(app.test_client().post("/", data=body, headers=headers), 429, code="busy")
        finally:
            let_go.set()
        assert conversion.result() is not None
    assert app.test_client().post("/", data=body, headers=headers).status_code == 200


def test_a_job_that_is_cancelled_before_it_is_claimed_is_answered_with_nothing(
    services: Services, worker: Services, tmp_path: Path
) -> None:
    job = queued_job(services, talking_mp4(tmp_path).read_bytes())
    connections: list[object] = []

    def cancel_when_it_was_read(connection: object) -> None:
        connections.append(connection)
        if len(connections) == 2:
            assert services.jobs.cancel(job.id)

    sa.event.listen(worker.database.engine, "engine_connect", cancel_when_it_was_read)
    assert convert(event_of(job), worker) is None
    assert job_now(services, job.id).state == State.CANCELLED


def test_a_job_that_another_claims_before_it_is_claimed_comes_again(
    services: Services, worker: Services, tmp_path: Path
) -> None:
    job = queued_job(services, talking_mp4(tmp_path).read_bytes())
    connections: list[object] = []

    def claim_when_it_was_read(connection: object) -> None:
        connections.append(connection)
        if len(connections) == 2:
            assert services.jobs.claim(job)

    sa.event.listen(worker.database.engine, "engine_connect", claim_when_it_was_read)
    with pytest.raises(Busy):
        convert(event_of(job), worker)
    assert job_now(services, job.id).attempts == 1


@on_linux
def test_a_full_disk_is_trouble_and_no_verdict(services: Services, tmp_path: Path) -> None:
    file = ffmpeg(tmp_path / "a.wav", *SINE)
    run = Ffmpeg(["-protocol_whitelist", "file", "-i", str(file), "-f", "mp3", "-y", "/dev/full"], services.settings)
    outcome = run.wait()
    run.close()
    with pytest.raises(Unavailable):
        check_disk(outcome.status, tmp_path)


@on_linux
@pytest.mark.parametrize("cores", [1, 2])
def test_a_disk_that_is_full_before_the_first_byte_of_the_mp3_costs_no_attempt(
    services: Services, tmp_path: Path, long_sound: bytes, cores: int
) -> None:
    job = queued_job(services, long_sound, "a.wav")
    claim = services.jobs.claim(job)
    assert claim is not None
    (tmp_path / MP3).symlink_to("/dev/full")
    with Keeper(claim, services) as keeper, pytest.raises(Unavailable), workers_trouble_is_unavailable():
        make_mp3(job, tmp_path, keeper, services, spare_cores=cores - 1)


@on_linux
def test_a_failure_of_ffmpeg_on_a_disk_without_space_is_trouble_and_a_success_is_none(tmp_path: Path) -> None:
    has_no_space = Path("/proc")
    with pytest.raises(Unavailable):
        check_disk(1, has_no_space)
    check_disk(0, has_no_space)
    check_disk(1, tmp_path)


@on_linux
def test_a_disk_that_is_full_when_we_write_is_trouble(tmp_path: Path) -> None:
    with (
        pytest.raises(Unavailable),
        workers_trouble_is_unavailable(),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"x")
    with pytest.raises(FileNotFoundError), workers_trouble_is_unavailable():
        (tmp_path / "none").read_bytes()


@pytest.mark.parametrize(
    "message",
    ["[af#0:0 @ 0x1] Task finished with error code: -12 (Cannot allocate memory)",
     "[aist#0:0/flac @ 0x1] [dec:flac @ 0x2] Error submitting packet to decoder: Cannot allocate memory",
     "[dec:flac @ 0x2] Decoding error: Cannot allocate memory",
     "Error opening input files: Cannot allocate memory"],
)  # fmt: skip
def test_too_little_memory_is_a_verdict_whatever_was_decoded(message: str) -> None:
    with pytest.raises(ConversionFailed) as failed:
        check_outcome(0, f"{message}\n", decoded=Decoded(1, 0, 1152), mp3_bytes=1, most_bytes=10**9)
    assert failed.value.verdict.code == "too_complex"


@pytest.mark.parametrize(
    "message",
    ["[matroska @ 0x1] Unknown codec: Cannot allocate memory",
     "[matroska @ 0x1] Unknown codec [asf @ 0x1] DRM protected stream detected, decoding will likely fail!",
     "[matroska @ 0x1] Unknown codec No space left on device"],
)  # fmt: skip
def test_a_name_that_a_message_quotes_does_not_overrule_sound_that_was_decoded(message: str) -> None:
    check_outcome(0, f"{message}\n", decoded=Decoded(1, 0, 1152), mp3_bytes=1, most_bytes=10**9)


@pytest.mark.parametrize(
    ("message", "code"),
    [("[mov,mp4,m4a,3gp,3g2,mj2 @ 0x1] moov atom not found", "cut_off"),
     ("[mov,mp4,m4a,3gp,3g2,mj2 @ 0x1] stream 0, offset 0x2f: partial file", "cut_off"),
     ("[matroska,webm @ 0x1] File ended prematurely", "cut_off"),
     ("[matroska,webm @ 0x1] File ended prematurely at pos. 4711 (0x1267)", "cut_off"),
     ("[in#0 @ 0x1] Error opening input: End of file", "cut_off"),
     ("Error opening input files: End of file", "cut_off"),
     ("[aist#0:0/none @ 0x1] Decoding requested, but no decoder found for: atrac9", "unknown_codec"),
     ("[out#0/mp3 @ 0x1] Error opening output: Decoder not found", "unknown_codec")],
)  # fmt: skip
def test_what_ffmpeg_says_of_a_file_is_a_verdict_where_nothing_was_decoded(message: str, code: str) -> None:
    sign = sign_in(f"[in#0 @ 0x1] another message\n{message}\n")
    assert sign is not None
    assert sign.code == code


@pytest.mark.parametrize(
    "name",
    ["moov atom not found", "stream 0, offset 0x2f: partial file", "File ended prematurely", "End of file",
     "Decoding requested, but no decoder found for: x", "Unknown decoder", "Decoder x not found",
     "Invalid data found when processing input", "corrupt", "truncated", "Error submitting packet"],
)  # fmt: skip
def test_a_name_that_a_message_quotes_is_neither_a_verdict_nor_damage(name: str) -> None:
    message = f"[matroska,webm @ 0x1] Unknown/unsupported AVCodecID {name}.\n[mov @ 0x1] Unknown codec tag: {name}\n"
    assert sign_in(message) is None
    assert not has_damage(message)


@pytest.mark.parametrize(
    "message",
    ["[mov,mp4,m4a,3gp,3g2,mj2 @ 0x1] stream 0, offset 0x2f: partial file",
     "[matroska,webm @ 0x1] File ended prematurely",
     "[dec:aac @ 0x2] Error submitting packet to decoder: Invalid data found when processing input",
     "[in#0/flac @ 0x1] Error during demuxing: Invalid data found when processing input",
     "[in#0 @ 0x1] Header processing failed: Invalid data found when processing input",
     "[in#0/mpegts @ 0x1] corrupt input packet in stream 0",
     "[mpegts @ 0x1] Packet corrupt (stream = 0, dts = 126000).",
     "[mpegts @ 0x1] Packet had TEI flag set; marking as corrupt",
     "[mov,mp4,m4a,3gp,3g2,mj2 @ 0x1] reached eof, corrupted STSC atom",
     "[asf @ 0x1] File is truncated adjusting duration"],
)  # fmt: skip
def test_what_ffmpeg_says_of_a_damaged_part_is_damage(message: str) -> None:
    assert has_damage(f"another message\n{message}\n")


def test_what_is_quoted_from_a_file_is_no_sign() -> None:
    said = "[mov @ 0x1] moov atom not found\n"
    with pytest.raises(ConversionFailed) as failed:
        read_report(said)
    assert failed.value.verdict == CUT_OFF
    with pytest.raises(ConversionFailed) as failed:
        read_report("    title           : moov atom not found\n                    : partial file\n")
    assert failed.value.verdict.code == "not_media"


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EMFILE])
def test_a_worker_that_can_start_no_process_has_trouble_and_the_video_has_none(number: int) -> None:
    with pytest.raises(Unavailable), workers_trouble_is_unavailable():
        raise OSError(number, os.strerror(number))
