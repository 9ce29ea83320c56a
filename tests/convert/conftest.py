"""Fixtures that convert a media file as an event would, with real FFmpeg, SQLite and a folder store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import pytest
from cloudevents.core.v1.event import CloudEvent

from functions.convert.handler import convert
from soundlift.common.events import event_for
from soundlift.common.jobs.document import audio_format
from soundlift.common.jobs.model import Job, State
from soundlift.common.options.parsing import parse_options
from soundlift.common.services import Services
from tests.convert.pcm import Sound, decode_file
from tests.factories.clips import ffmpeg, talking_mp4
from tests.factories.jobs import job_now, queued_job


class Convert(Protocol):
    """A function that converts a file with the options of an upload, and returns the ended job."""

    def __call__(self, file: Path, **options: str) -> Job: ...


SaveMp3 = Callable[[Job], Path]
ConvertAndDecode = Callable[[Path], Sound]


@pytest.fixture
def convert_file(services: Services) -> Convert:
    """Return a function that converts a file."""

    def run(file: Path, **options: str) -> Job:
        parsed = parse_options(
            ((name.replace("tag_", "tag."), text) for name, text in options.items()), services.settings
        )
        job = queued_job(services, file.read_bytes(), file.name, options=parsed)
        convert(event_for(job), services)
        return job_now(services, job.id)

    return run


@pytest.fixture
def save_mp3(services: Services, tmp_path: Path) -> SaveMp3:
    """Return a function that saves a job's audio file, with the suffix of its format."""

    def save(job: Job) -> Path:
        target = tmp_path / f"{job.id}{audio_format(job).suffix}"
        with services.mp3s.open(str(job.mp3_fid)).file as file:
            target.write_bytes(file.read())
        return target

    return save


@pytest.fixture
def convert_and_decode(convert_file: Convert, save_mp3: SaveMp3) -> ConvertAndDecode:
    """Return a function that converts a file and decodes the MP3."""

    def run(file: Path) -> Sound:
        job = convert_file(file)
        assert (job.state, job.error) == (State.READY, None)
        return decode_file(save_mp3(job))

    return run


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return talking_mp4(tmp_path_factory.mktemp("clip"), "-movflags", "+faststart").read_bytes()


@pytest.fixture(scope="module")
def long_sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return five minutes of sound, far more than the socket buffers hold, so that FFmpeg has to wait for the store."""
    file = tmp_path_factory.mktemp("clip") / "long.wav"
    return ffmpeg(file, "-f", "lavfi", "-i", "sine=duration=300:sample_rate=48000").read_bytes()


@pytest.fixture
def job(services: Services, video: bytes) -> Job:
    return queued_job(services, video)


@pytest.fixture
def convert_in_background() -> Iterator[Callable[..., Future[CloudEvent | None]]]:
    with ThreadPoolExecutor() as pool:
        yield lambda event, services: pool.submit(convert, event, services)
