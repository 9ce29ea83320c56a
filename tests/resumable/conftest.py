"""A running stack behind a line that tests cut, stall and reset."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from devservers.forwarder import Forwarder
from devservers.ports import free_port
from devservers.waiting import wait_for
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.factories.jobs import MP4, job_now
from tests.fixtures.local_stack import starting

EMAIL = "ada@example.org"
MEBIBYTE = 2**20
UPLOAD_SECONDS = "10"  # after which the server ends the request of a line that is silent


@dataclass(frozen=True)
class Deployment:
    """A stack whose public address is that of a line to it."""

    line: Forwarder
    services: Services

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.line.port}"

    @property
    def uploads(self) -> str:
        """Return the address at which uploads begin."""
        return f"{self.url}/upload/files"

    def token(self) -> str:
        return self.services.tokens.sign_in(EMAIL, admin=False)

    def stored(self, job_id: str) -> bytes:
        """Return the video of a job as the store has it."""
        with self.services.videos.open(job_now(self.services, job_id).video_fid).file as file:
            return file.read()

    def job_of(self, file_name: str) -> str:
        """Return the id of the only job of a file."""
        (job,) = wait_for(
            lambda: [row for row in self.services.jobs.page(None) if row.file_name == file_name], "there is a job"
        )
        return job.id


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory, password_hash: str) -> Iterator[Deployment]:
    port = free_port()
    with Forwarder(port) as line, starting(tmp_path_factory) as start:
        stack = start(port=port, PUBLIC_URL=f"http://127.0.0.1:{line.port}", UPLOAD_SECONDS=UPLOAD_SECONDS)
        environment = {"SOUNDLIFT_DATA": str(stack.data), "SECRETS_FOLDER": str(stack.data / "secrets")}
        services = Services(Settings.from_environment(environment))
        services.users.add(EMAIL, password_hash)
        yield Deployment(line, services)
        services.database.engine.dispose()


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Return a file of 12 MiB that begins like a video, and has a name of its own."""
    file = tmp_path / f"{secrets.token_hex(4)}.mp4"
    file.write_bytes(MP4 + os.urandom(12 * MEBIBYTE))
    return file
