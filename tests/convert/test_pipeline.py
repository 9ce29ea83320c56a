"""The processes of parallel encoding: how they start, end and report."""

from __future__ import annotations

import errno
import os
import signal
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fastcrc import crc16

from devservers.waiting import wait_for
from functions.convert.encode.ffmpeg import Ffmpeg
from functions.convert.encode.parallel.joining import NotJoined
from functions.convert.encode.parallel.partition import RUN_IN, Partition
from functions.convert.encode.parallel.pipeline import Pipeline
from functions.convert.encode.parallel.repacking import repack
from functions.convert.encode.range_server import Source, serve
from functions.convert.formats.mp3_frames import HeaderFrame, read_frames
from functions.convert.plan.plan import Plan
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.process.process_group import process_group
from soundlift.common.services import Services
from tests.convert.sounds import encode_whole, make_sound_plan
from tests.factories.clips import ffmpeg
from tests.factories.jobs import queued_job


@pytest.fixture(scope="module")
def hiss(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a WAV that is encoded quickly: 21 seconds, or 875 frames, of one channel at 24 kHz."""
    noise = f"anoisesrc=sample_rate=24000:seed=1:amplitude=0.1,atrim=end_sample={875 * 576}"
    return ffmpeg(tmp_path_factory.mktemp("hiss") / "hiss.wav", "-f", "lavfi", "-i", noise)


def _hiss_plan(bitrate: int | None = None) -> Plan:
    return make_sound_plan(AudioOptions(sample_rate=24000, channels=1, bitrate=bitrate), rate=24000)


HISS_PARTITION = Partition(workers=2, block=2 * RUN_IN, samples=576)


def _open_pipes() -> set[int]:
    """Return the numbers of this process's pipes."""
    pipes = set()
    for number in (int(path.name) for path in Path("/dev/fd").iterdir()):
        with suppress(OSError):  # the folder itself
            if stat.S_ISFIFO(os.fstat(number).st_mode):
                pipes.add(number)
    return pipes


@pytest.mark.parametrize("bitrate", [None, 48])
def test_a_pipeline_reports_progress_and_length_and_leaves_no_pipe_open(
    services: Services, hiss: Path, tmp_path: Path, bitrate: int | None
) -> None:
    plan = _hiss_plan(bitrate)
    whole = encode_whole(hiss, plan, tmp_path / "whole.mp3")
    with whole.open("rb") as file:
        header, *sound_frames = read_frames(file)
    job = queued_job(services, hiss.read_bytes(), hiss.name)
    source, progress = Source(services.videos, job.video_fid), list[float]()
    with serve(source) as url:
        process_group()  # opens one pipe per process
        before = _open_pipes()
        pipeline = Pipeline(url, plan, HISS_PARTITION, tmp_path, services.settings)
        assert pipeline.samples == 0
        assert pipeline.wait(progress.append).status == 0
        pipeline.close()
        assert _open_pipes() <= before
    assert progress
    assert pipeline.samples == 875 * 576
    pipeline.write(tmp_path / "joined.mp3")
    expected = list(repack(sound_frames)) if bitrate is None else sound_frames
    described = HeaderFrame.of(header).for_frames(
        [len(frame) for frame in expected], 875 * 576, crc16.arc(b"".join(expected))
    )
    assert (tmp_path / "joined.mp3").read_bytes() == described.data + b"".join(expected)


class _Recorded(Ffmpeg):
    """An FFmpeg process that is recorded in a list; the start of number `refused` fails."""

    runs: ClassVar[list[_Recorded]] = []
    refused = 0

    def __init__(self, arguments: Sequence[str], *args: Any, **options: Any) -> None:
        if len(self.runs) + 1 == self.refused:
            raise OSError(errno.EAGAIN, "no more processes")
        self.arguments = arguments
        super().__init__(arguments, *args, **options)
        self.runs.append(self)

    @property
    def status(self) -> int | None:
        return self._process.poll()


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> type[_Recorded]:
    monkeypatch.setattr("functions.convert.encode.parallel.pipeline.Ffmpeg", _Recorded)
    monkeypatch.setattr(_Recorded, "runs", [])
    monkeypatch.setattr(_Recorded, "refused", 0)
    return _Recorded


@pytest.mark.parametrize("victim", range(3))
def test_a_killed_process_ends_the_pipeline_with_its_status(
    services: Services, hiss: Path, tmp_path: Path, recorded: type[_Recorded], victim: int
) -> None:
    job = queued_job(services, hiss.read_bytes(), hiss.name)
    with serve(Source(services.videos, job.video_fid)) as url:
        pipeline = Pipeline(url, _hiss_plan(), HISS_PARTITION, tmp_path, services.settings)
        recorded.runs[victim].kill()
        assert pipeline.wait().status == -signal.SIGKILL
        assert all(run.status for run in recorded.runs)
        pipeline.close()
    for worker in range(2):
        (tmp_path / f"part{worker}.mp3").write_bytes(b"")
    with pytest.raises(NotJoined), pipeline.joined():
        pass


def test_a_pipeline_is_killed_and_closed_with_all_its_processes(
    services: Services, hiss: Path, tmp_path: Path, recorded: type[_Recorded]
) -> None:
    job = queued_job(services, hiss.read_bytes(), hiss.name)
    with serve(Source(services.videos, job.video_fid)) as url:
        for end in (Pipeline.kill, Pipeline.close):
            recorded.runs.clear()
            pipeline = Pipeline(url, _hiss_plan(), HISS_PARTITION, tmp_path, services.settings)
            assert [run.status for run in recorded.runs] == [None] * 3
            end(pipeline)
            # An encoder may end after its decoder was killed, before it is killed itself.
            wait_for(lambda: all(run.status is not None for run in recorded.runs), "all have ended")
            assert recorded.runs[0].status == -signal.SIGKILL
            pipeline.close()


@pytest.mark.parametrize("refused", [1, 2, 3])
def test_a_pipeline_that_cannot_start_leaves_no_process_and_no_pipe(
    services: Services, hiss: Path, tmp_path: Path, recorded: type[_Recorded], refused: int
) -> None:
    job = queued_job(services, hiss.read_bytes(), hiss.name)
    recorded.refused = refused
    with serve(Source(services.videos, job.video_fid)) as url:
        process_group()  # opens one pipe per process
        before = _open_pipes()
        with pytest.raises(OSError, match="no more processes"):
            Pipeline(url, _hiss_plan(), HISS_PARTITION, tmp_path, services.settings)
        assert [run.status for run in recorded.runs] == [-signal.SIGKILL] * (refused - 1)
        assert _open_pipes() <= before


def test_a_pipe_queues_what_is_decoded_while_its_encoder_is_busy(
    services: Services, hiss: Path, tmp_path: Path, recorded: type[_Recorded]
) -> None:
    job = queued_job(services, hiss.read_bytes(), hiss.name)
    with serve(Source(services.videos, job.video_fid)) as url:
        pipeline = Pipeline(url, _hiss_plan(), HISS_PARTITION, tmp_path, services.settings)
        pipeline.close()
    decoder = list(recorded.runs[0].arguments)
    queue_sizes = [decoder[at + 1] for at, argument in enumerate(decoder) if argument == "-thread_queue_size"]
    assert queue_sizes == [str((196 + 2 * 98) // 49)] * 2
