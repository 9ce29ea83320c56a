"""A sound that is encoded on several cores is, bit for bit, what one encoder makes of it."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from fastcrc import crc16
from mutagen.mp3 import MP3
from structlog.testing import capture_logs

from functions.convert.encode.ffmpeg import binary
from functions.convert.encode.parallel.joining import NotJoined
from functions.convert.encode.parallel.partition import RUN_IN, SHORTEST_BLOCK, Partition
from functions.convert.encode.parallel.pipeline import Pipeline
from functions.convert.encode.parallel.repacking import repack
from functions.convert.encode.range_server import Source, serving
from functions.convert.formats.mp3_frames import HeaderFrame, frames
from functions.convert.handler import convert
from functions.convert.plan.plan import Plan
from soundlift.common.events import event_for
from soundlift.common.jobs.model import Job, State
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.services import Services
from tests.convert.conftest import Convert
from tests.convert.sounds import RATE, SECONDS, SOUNDS, by_one_encoder, plan_of, wavs
from tests.factories.clips import ffmpeg
from tests.factories.jobs import job_now, queued_job
from tests.factories.stores import blocked_store

pytestmark = pytest.mark.media

OPTIONS = {
    "V2": AudioOptions(),
    "V7": AudioOptions(quality=7),
    "128k": AudioOptions(bitrate=128),
    "320k": AudioOptions(bitrate=320),
    "mono": AudioOptions(bitrate=64, channels=1),
    "24 kHz": AudioOptions(sample_rate=24000),
    "trimmed": AudioOptions(start=1.5, end=57.123),
}


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a WAV of each sound."""
    return wavs(tmp_path_factory.mktemp("sounds"))


@contextmanager
def _encoded(services: Services, file: Path, plan: Plan, partition: Partition, folder: Path) -> Iterator[Pipeline]:
    """Give the parts of a sound, all encoded."""
    job = queued_job(services, file.read_bytes(), file.name)
    source = Source(services.videos, job.video_fid)
    with serving(source) as url:
        parts = Pipeline(url, plan, partition, folder, services.settings)
        try:
            assert parts.wait().status == 0
            yield parts
        finally:
            parts.close()


@pytest.mark.parametrize(
    ("sound", "options", "workers"),
    [
        *((sound, options, 2) for sound in SOUNDS for options in OPTIONS),
        *(("music", options, 3) for options in OPTIONS),
    ],
)
def test_parallel_encoding_makes_the_frames_of_one_encoder(
    services: Services, sounds: dict[str, Path], tmp_path: Path, sound: str, options: str, workers: int
) -> None:
    plan = plan_of(OPTIONS[options])
    whole = by_one_encoder(sounds[sound], plan, tmp_path / "whole.mp3")
    length = SECONDS if options != "trimmed" else 55.623
    partition = Partition.of(length, plan.rate, workers)
    assert partition is not None
    with whole.open("rb") as file:
        front, *sounding = frames(file)
    with _encoded(services, sounds[sound], plan, partition, tmp_path) as parts:
        with parts.joined() as (_, lone):
            assert list(lone) == sounding
        parts.write(tmp_path / "joined.mp3")
    with (tmp_path / "joined.mp3").open("rb") as file:
        front_of_ours, *ours = frames(file)
    assert ours == (sounding if OPTIONS[options].bitrate else list(repack(sounding)))
    assert HeaderFrame.of(front_of_ours).samples == round(length * plan.rate)
    assert len(front_of_ours) == len(front)


# Of 4 units, the shortest block that holds a run-in at either end. The sounds end within the last block's run-in,
# with a block, a sample behind one, and a sample before one; each goes round all workers more than once.
@pytest.mark.parametrize(
    ("workers", "length", "bitrate"),
    [
        (2, (5 * 2 * RUN_IN + 30) * 1152, 128),
        (3, 5 * 2 * RUN_IN * 1152, None),
        (2, 4 * 2 * RUN_IN * 1152 + 1, None),
        (3, 5 * 2 * RUN_IN * 1152 - 1, None),
    ],
)
def test_no_frame_is_lost_or_repeated_however_short_the_last_part_is(
    services: Services, sounds: dict[str, Path], tmp_path: Path, workers: int, length: int, bitrate: int | None
) -> None:
    plan = plan_of(AudioOptions(bitrate=bitrate))
    plan = replace(plan, filters=(*plan.filters, f"atrim=end_sample={length}"))
    whole = by_one_encoder(sounds["music"], plan, tmp_path / "whole.mp3")
    with whole.open("rb") as file:
        sounding = list(frames(file))[1:]
    partition = Partition(workers=workers, block=2 * RUN_IN, samples=1152)
    with _encoded(services, sounds["music"], plan, partition, tmp_path) as parts, parts.joined() as (_, lone):
        assert parts.samples == length
        assert list(lone) == sounding


@pytest.fixture
def joined(
    services: Services, sounds: dict[str, Path], converted: Convert, mp3_of: Callable[[Job], Path]
) -> tuple[Path, Job]:
    services.settings = replace(services.settings, convert_concurrency=2)
    job = converted(sounds["music"])
    return mp3_of(job), job


def test_a_long_sound_uses_all_cores(joined: tuple[Path, Job], sounds: dict[str, Path], tmp_path: Path) -> None:
    mp3, job = joined
    whole = by_one_encoder(sounds["music"], plan_of(AudioOptions()), tmp_path / "whole.mp3")
    with whole.open("rb") as file:
        sounding = list(frames(file))[1:]
    assert mp3.read_bytes().endswith(b"".join(repack(sounding)))
    assert job.length == SECONDS
    assert MP3(mp3).info.length == pytest.approx(SECONDS, abs=3 * 1152 / RATE)  # it counts the padding


def test_a_long_sound_uses_one_core_while_another_conversion_runs(
    services: Services, converted: Convert, mp3_of: Callable[[Job], Path], tmp_path: Path
) -> None:
    file = ffmpeg(tmp_path / "a.wav", "-f", "lavfi", "-i", "anoisesrc=duration=27:seed=1")
    services.settings = replace(services.settings, convert_concurrency=2)
    worker = Services(services.settings)
    worker.videos, waiting, let_go = blocked_store(services.videos, beyond=0)
    job = queued_job(services, file.read_bytes(), file.name)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(convert, event_for(job), worker)
        try:
            assert waiting.wait(30)
            on_one_core = mp3_of(converted(file))
        finally:
            let_go.set()
        assert first.result() is not None
    worker.database.engine.dispose()
    # The first one is in parts, whose frames were packed: the same length in other bytes.
    in_parts = mp3_of(job_now(services, job.id))
    assert MP3(in_parts).info.length == pytest.approx(MP3(on_one_core).info.length, abs=0.01)
    assert in_parts.read_bytes() != on_one_core.read_bytes()


@pytest.mark.parametrize(("bitrate", "split"), [("96", True), ("112", False), ("320", False)])
def test_a_bit_rate_that_needs_the_reservoir_is_encoded_by_one_encoder(
    services: Services,
    sounds: dict[str, Path],
    converted: Convert,
    mp3_of: Callable[[Job], Path],
    tmp_path: Path,
    bitrate: str,
    split: bool,
) -> None:
    services.settings = replace(services.settings, convert_concurrency=2)
    lone = by_one_encoder(sounds["music"], plan_of(AudioOptions(bitrate=int(bitrate))), tmp_path / "lone.mp3")
    with lone.open("rb") as file:
        sounding = list(frames(file))[1:]
    mp3 = mp3_of(converted(sounds["music"], bitrate=bitrate)).read_bytes()
    assert mp3.endswith(b"".join(sounding)) == split


def test_a_joined_mp3_decodes_to_its_last_sample_without_a_warning(joined: tuple[Path, Job]) -> None:
    command = [binary(), "-v", "warning", "-nostdin", "-i", str(joined[0]), "-f", "f32le", "-ac", "1", "-"]
    decoded = subprocess.run(command, check=True, capture_output=True)
    assert decoded.stderr == b""
    assert len(decoded.stdout) // 4 == SECONDS * RATE


def test_the_header_frame_describes_the_frames_after_it(joined: tuple[Path, Job], tmp_path: Path) -> None:
    mp3 = joined[0].read_bytes()
    begin = 10 + (mp3[6] << 21 | mp3[7] << 14 | mp3[8] << 7 | mp3[9])  # ID3v2.4, section 3.1
    (tmp_path / "bare.mp3").write_bytes(mp3[begin:])
    with (tmp_path / "bare.mp3").open("rb") as file:
        front, *sounding = list(frames(file))
    tag = front[36:]
    assert tag[:4] == b"Xing"
    assert int.from_bytes(tag[8:12]) == len(sounding)
    assert int.from_bytes(tag[12:16]) == len(mp3) - begin
    ends = [0, *itertools.accumulate(len(frame) for frame in (front, *sounding))]
    hundredths = [ends[(1 + len(sounding)) * percent // 100] for percent in range(100)]
    assert list(tag[16:116]) == [256 * begin // ends[-1] for begin in hundredths]
    assert int.from_bytes(tag[152:154]) == crc16.arc(b"".join(sounding))
    assert int.from_bytes(tag[154:156]) == crc16.arc(front[: 36 + 154])


def test_parts_of_a_sound_shorter_than_declared_do_not_join(
    services: Services, sounds: dict[str, Path], tmp_path: Path
) -> None:
    plan = plan_of(AudioOptions(end=10))
    partition = Partition(workers=2, block=SHORTEST_BLOCK * 2, samples=1152)
    job = queued_job(services, sounds["music"].read_bytes(), "a.wav")
    source = Source(services.videos, job.video_fid)
    (tmp_path / "part1.mp3").write_bytes(b"of the run before")
    with serving(source) as url:
        parts = Pipeline(url, plan, partition, tmp_path, services.settings)
        parts.wait()
        with pytest.raises(NotJoined):
            parts.write(tmp_path / "joined.mp3")
        parts.close()


def test_a_file_shorter_than_it_declares_is_converted_by_one_encoder(
    services: Services, sounds: dict[str, Path], converted: Convert, tmp_path: Path
) -> None:
    services.settings = replace(services.settings, convert_concurrency=2)
    flac = ffmpeg(tmp_path / "whole.flac", "-i", str(sounds["music"]))
    (tmp_path / "cut.flac").write_bytes(flac.read_bytes()[: flac.stat().st_size // 4])
    with capture_logs() as logs:
        job = converted(tmp_path / "cut.flac")
    assert [line for line in logs if line["event"] == "parts do not join"]
    assert job.state == State.READY
    assert job.length is not None
    assert job.missing_seconds == pytest.approx(SECONDS - job.length, abs=0.1)
