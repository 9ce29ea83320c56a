"""The files of a conversion: finished, and stored."""

from __future__ import annotations

from pathlib import Path

from functions.convert.formats.mp3 import MP3
from functions.convert.formats.output_format import Head
from functions.convert.output.finish import FinishedFile
from soundlift.common.jobs.model import Job, State
from soundlift.common.services import Services
from tests.factories.jobs import MP3_SOUND, job_now


def finished_mp3(folder: Path, content: bytes = b"frames") -> FinishedFile:
    """Return a finished file with made-up content."""
    path = folder / "sound.mp3"
    path.write_bytes(content)
    return FinishedFile(MP3, path, Head(b"tag"), len(b"tag" + content), 12.5, 0.25, MP3_SOUND)


def stored_mp3s(services: Services) -> list[Path]:
    return list((services.settings.soundlift_data / "media" / "mp3s").glob("*"))


def assert_one_mp3(services: Services, job: Job) -> None:
    """Assert that the job is ready, and that its MP3 is the only file in the store."""
    job = job_now(services, job.id)
    assert job.state == State.READY
    assert [path.name for path in stored_mp3s(services)] == [job.mp3_fid]
