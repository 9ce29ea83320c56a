"""Is a deployment in a folder of its own, with the embedded database, queue and store, for the length of one row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from soundlift.common.db.migrations import migrate
from soundlift.common.jobs.model import Job
from soundlift.common.media import MediaInfo
from soundlift.common.process.temporary_folders import temporary_folder
from soundlift.common.services import Services
from soundlift.common.settings import Settings

OWNER = "ada@example.org"
SECRET = "a secret of the bench, which guards nothing"
BLOCK = 2**18


@dataclass(frozen=True)
class Stage:
    """Holds the folder, and the environment of all processes that work on it."""

    folder: Path
    environment: dict[str, str]

    @cached_property
    def services(self) -> Services:
        """Are the services of this process."""
        return Services(Settings.from_environment(self.environment))

    def queued_job(self, video: Path, content: Iterable[bytes] | None = None) -> Job:
        """Put a video, or other content under its name, into the store, and its job into the state after an upload."""
        services = self.services
        job = services.jobs.receive(username=OWNER, file_name=video.name, content_type="video/mp4", traceparent=None)
        writer = services.videos.create(job.video_fid, MediaInfo(OWNER, video.name, "video/mp4", job.id))
        for block in content or _blocks(video):
            writer.write(block)
        assert services.jobs.queue(job.id, video_bytes=writer.commit())
        queued = services.jobs.find(job.id)
        assert queued is not None
        return queued

    def forget(self, job_id: str) -> None:
        """Delete what a job has in the store."""
        job = self.services.jobs.find(job_id)
        assert job is not None
        self.services.videos.delete(job.video_fid)
        if job.mp3_fid:
            self.services.mp3s.delete(job.mp3_fid)


def _blocks(video: Path) -> Iterator[bytes]:
    with video.open("rb") as file:
        while block := file.read(BLOCK):
            yield block


@contextmanager
def stage(**settings: str) -> Iterator[Stage]:
    """Yield a deployment with some settings of its own, and remove it at the end."""
    with temporary_folder("bench") as folder:
        environment = {"SOUNDLIFT_DATA": str(folder), "JWT_SECRET": SECRET, "DRAIN_SECONDS": "5", **settings}
        migrate(Settings.from_environment(environment).database_url)
        yield Stage(folder, environment)
