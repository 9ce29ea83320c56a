"""A deployment with the embedded database, queue and store in a temporary folder, for one row."""

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
class Deployment:
    """The folder of a deployment, and the environment of all its processes."""

    folder: Path
    environment: dict[str, str]

    @cached_property
    def services(self) -> Services:
        """Return the services of this process."""
        return Services(Settings.from_environment(self.environment))

    def queued_job(self, video: Path, content: Iterable[bytes] | None = None, *, options: str | None = None) -> Job:
        """Store a video, or other content under its name, and return its job in the state queued.

        `options` are those of the row, as JSON.
        """
        services = self.services
        job = services.jobs.receive(username=OWNER, file_name=video.name, content_type="video/mp4", traceparent=None)
        writer = services.videos.create(job.video_fid, MediaInfo(OWNER, video.name, "video/mp4", job.id))
        for block in content or _blocks(video):
            writer.write(block)
        assert services.jobs.queue(job.id, video_bytes=writer.commit(), options=options)
        queued = services.jobs.find(job.id)
        assert queued is not None
        return queued

    def delete_files(self, job_id: str) -> None:
        """Delete a job's files from the stores."""
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
def temporary_deployment(**settings: str) -> Iterator[Deployment]:
    """Yield a deployment with the given settings, and remove it afterwards."""
    with temporary_folder("bench") as folder:
        environment = {"SOUNDLIFT_DATA": str(folder), "JWT_SECRET": SECRET, "DRAIN_SECONDS": "5", **settings}
        migrate(Settings.from_environment(environment).database_url)
        yield Deployment(folder, environment)
