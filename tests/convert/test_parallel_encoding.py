"""Sound that is encoded on several cores is bit-identical to the output of a single encoder."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from fastcrc import crc16
from mutagen.mp3 import MP3
from structlog.testing import capture_logs

from functions.convert.encode.parallel.frame_contents import contents
from functions.convert.encode.parallel.joining import NotJoined
from functions.convert.encode.parallel.partition import MIN_BLOCK, RESERVOIR_RUN_IN, RUN_IN, Partition
from functions.convert.encode.parallel.pipeline import Pipeline, uses_reservoir
from functions.convert.encode.parallel.repacking import repack
from functions.convert.encode.range_server import Source, serve
from functions.convert.formats.mp3_frames import HeaderFrame, read_frames
from functions.convert.handler import convert
from functions.convert.plan.plan import Plan
from soundlift.common.events import event_for
from soundlift.common.jobs.model import Job, State
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.process.ffmpeg import binary
from soundlift.common.services import Services
from tests.convert.conftest import Convert, SaveMp3
from tests.convert.sounds import RATE, SECONDS, SOUNDS, encode_whole, make_sound_plan, write_wavs
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
    return write_wavs(tmp_path_factory.mktemp("sounds"))


@contextmanager
def _encoded(services: Services, file: Path, plan: Plan, partition: Partition, folder: Path) -> Iterator[Pipeline]:
    """Yield a pipeline that has encoded a sound."""
    job = queued_job(services, file.read_bytes(), file.name)
    source = Source(services.videos, job.video_fid)
    with serve(source) as url:
        pipeline = Pipeline(url, plan, partition, folder, services.settings)
        try:
            assert pipeline.wait().status == 0
            yield pipeline
        finally:
            pipeline.close()


def _sound(frames: Iterable[bytes]) -> list[object]:
    """Return the size and the contents of each frame; contents leave out what a frame is filled up with."""
    found = list(frames)
    return list(zip(map(len, found), contents(found), strict=True))


def _decoded(mp3: Path) -> bytes:
    command = [binary(), "-v", "error", "-nostdin", "-i", str(mp3), "-f", "f32le", "-"]
    return subprocess.run(command, check=True, capture_output=True).stdout


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
    plan = make_sound_plan(OPTIONS[options])
    reservoir = uses_reservoir(plan.bitrate)
    whole = encode_whole(sounds[sound], plan, tmp_path / "whole.mp3", reservoir=reservoir)
    length = SECONDS if options != "trimmed" else 55.623
    partition = Partition.of(length, plan.rate, workers, RESERVOIR_RUN_IN if reservoir else RUN_IN)
    assert partition is not None
    with whole.open("rb") as file:
        header, *expected = read_frames(file)
    with _encoded(services, sounds[sound], plan, partition, tmp_path) as pipeline:
        with pipeline.joined() as (_, frames):
            assert _sound(frames) == _sound(expected)
        pipeline.write(tmp_path / "joined.mp3")
    with (tmp_path / "joined.mp3").open("rb") as file:
        joined_header, *joined_frames = read_frames(file)
    if reservoir:
        assert _decoded(tmp_path / "joined.mp3") == _decoded(whole)
    else:
        assert joined_frames == (expected if plan.bitrate else list(repack(expected)))
    assert HeaderFrame.of(joined_header).samples == round(length * plan.rate)
    assert len(joined_header) == len(header)


# Blocks have 4 units, the minimum for a run-in at each end. The sounds end within the last block's run-in, at the end
# of a block, a sample after one, and a sample before one; each uses all workers more than once.
@pytest.mark.parametrize(
    ("workers", "length", "bitrate"),
    [
        (2, (5 * 2 * RUN_IN + 30) * 1152, 128),
        (3, 5 * 2 * RUN_IN * 1152, None),
        (2, 4 * 2 * RUN_IN * 1152 + 1, None),
        (3, 5 * 2 * RUN_IN * 1152 - 1, None),
    ],
)
def test_no_frame_is_lost_or_repeated_if_the_last_part_is_short(
    services: Services, sounds: dict[str, Path], tmp_path: Path, workers: int, length: int, bitrate: int | None
) -> None:
    plan = make_sound_plan(AudioOptions(bitrate=bitrate))
    plan = replace(plan, filters=(*plan.filters, f"atrim=end_sample={length}"))
    whole = encode_whole(sounds["music"], plan, tmp_path / "whole.mp3", reservoir=uses_reservoir(bitrate))
    with whole.open("rb") as file:
        expected = list(read_frames(file))[1:]
    partition = Partition(workers=workers, block=2 * RUN_IN, samples=1152)
    with _encoded(services, sounds["music"], plan, partition, tmp_path) as pipeline, pipeline.joined() as (_, frames):
        assert pipeline.samples == length
        assert _sound(frames) == _sound(expected)


@pytest.fixture
def joined(services: Services, sounds: dict[str, Path], convert_file: Convert, save_mp3: SaveMp3) -> tuple[Path, Job]:
    services.settings = replace(services.settings, convert_concurrency=2)
    job = convert_file(sounds["music"])
    return save_mp3(job), job


def test_a_long_sound_uses_all_cores(joined: tuple[Path, Job], sounds: dict[str, Path], tmp_path: Path) -> None:
    mp3, job = joined
    whole = encode_whole(sounds["music"], make_sound_plan(AudioOptions()), tmp_path / "whole.mp3")
    with whole.open("rb") as file:
        expected = list(read_frames(file))[1:]
    assert mp3.read_bytes().endswith(b"".join(repack(expected)))
    assert job.length == SECONDS
    assert MP3(mp3).info.length == pytest.approx(SECONDS, abs=3 * 1152 / RATE)  # includes the padding


def test_a_long_sound_uses_one_core_while_another_conversion_runs(
    services: Services, convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path
) -> None:
    file = ffmpeg(tmp_path / "a.wav", "-f", "lavfi", "-i", "anoisesrc=duration=27:seed=1")
    services.settings = replace(services.settings, convert_concurrency=2)
    worker = Services(services.settings)
    worker.videos, waiting, release = blocked_store(services.videos, beyond=0)
    job = queued_job(services, file.read_bytes(), file.name)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(convert, event_for(job), worker)
        try:
            assert waiting.wait(30)
            from_one_core = save_mp3(convert_file(file))
        finally:
            release.set()
        assert first.result() is not None
    worker.database.engine.dispose()
    # The first MP3 was encoded in parts and repacked, so it has the same length in different bytes.
    from_two_cores = save_mp3(job_now(services, job.id))
    assert MP3(from_two_cores).info.length == pytest.approx(MP3(from_one_core).info.length, abs=0.01)
    assert from_two_cores.read_bytes() != from_one_core.read_bytes()


@pytest.mark.parametrize("bitrate", [96, 192])
def test_a_constant_bit_rate_uses_all_cores_and_sounds_the_same(
    services: Services, sounds: dict[str, Path], convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, bitrate: int
) -> None:
    plan = make_sound_plan(AudioOptions(bitrate=bitrate))
    whole = encode_whole(sounds["music"], plan, tmp_path / "whole.mp3", reservoir=uses_reservoir(bitrate))
    services.settings = replace(services.settings, convert_concurrency=2)
    with capture_logs() as logs:
        mp3 = save_mp3(convert_file(sounds["music"], bitrate=str(bitrate)))
    assert not any(line["event"] == "parts do not join" for line in logs)
    assert _decoded(mp3) == _decoded(whole)


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
        header, *expected = list(read_frames(file))
    tag = header[36:]
    assert tag[:4] == b"Xing"
    assert int.from_bytes(tag[8:12]) == len(expected)
    assert int.from_bytes(tag[12:16]) == len(mp3) - begin
    ends = [0, *itertools.accumulate(len(frame) for frame in (header, *expected))]
    hundredths = [ends[(1 + len(expected)) * percent // 100] for percent in range(100)]
    assert list(tag[16:116]) == [256 * begin // ends[-1] for begin in hundredths]
    assert int.from_bytes(tag[152:154]) == crc16.arc(b"".join(expected))
    assert int.from_bytes(tag[154:156]) == crc16.arc(header[: 36 + 154])


def test_parts_of_a_sound_shorter_than_declared_do_not_join(
    services: Services, sounds: dict[str, Path], tmp_path: Path
) -> None:
    plan = make_sound_plan(AudioOptions(end=10))
    partition = Partition(workers=2, block=MIN_BLOCK * 2, samples=1152)
    job = queued_job(services, sounds["music"].read_bytes(), "a.wav")
    source = Source(services.videos, job.video_fid)
    (tmp_path / "part1.mp3").write_bytes(b"of the run before")
    with serve(source) as url:
        pipeline = Pipeline(url, plan, partition, tmp_path, services.settings)
        pipeline.wait()
        with pytest.raises(NotJoined):
            pipeline.write(tmp_path / "joined.mp3")
        pipeline.close()


def test_a_file_shorter_than_it_declares_is_converted_by_one_encoder(
    services: Services, sounds: dict[str, Path], convert_file: Convert, tmp_path: Path
) -> None:
    services.settings = replace(services.settings, convert_concurrency=2)
    flac = ffmpeg(tmp_path / "whole.flac", "-i", str(sounds["music"]))
    (tmp_path / "cut.flac").write_bytes(flac.read_bytes()[: flac.stat().st_size // 4])
    with capture_logs() as logs:
        job = convert_file(tmp_path / "cut.flac")
    assert [line for line in logs if line["event"] == "parts do not join"]
    assert job.state == State.READY
    assert job.length is not None
    assert job.missing_seconds == pytest.approx(SECONDS - job.length, abs=0.1)
