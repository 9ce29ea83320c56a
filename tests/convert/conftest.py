"""Puts a media file through convert as an event would, with real FFmpeg, SQLite and a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from functions.convert.handler import convert
from soundlift.common.events import event_of
from soundlift.common.job_row import Job
from soundlift.common.services import Services
from tests.parts import job_now, queued_job

Convert = Callable[[Path], Job]


@pytest.fixture
def converted(services: Services) -> Convert:
    """Return a function that makes a job of a file, converts it, and returns the job as it ended."""

    def run(file: Path) -> Job:
        job = queued_job(services, file.read_bytes(), file.name)
        convert(event_of(job), services)
        return job_now(services, job.id)

    return run


@pytest.fixture
def mp3_of(services: Services, tmp_path: Path) -> Callable[[Job], Path]:
    """Return a function that puts a job's MP3 into a file."""

    def save(job: Job) -> Path:
        target = tmp_path / f"{job.id}.mp3"
        with services.mp3s.open(str(job.mp3_fid)).file as file:
            target.write_bytes(file.read())
        return target

    return save
