"""A video is uploaded from a path or an open file, with a name, progress and options."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from soundlift.client import Client, Job
from soundlift.client.transfers import BLOCK
from soundlift.common.services import Services
from tests.client.servers import Deployment
from tests.factories.jobs import MP4, job_now

VIDEO = MP4 + bytes(BLOCK)


@pytest.mark.parametrize("name", ["Ünïcode 🎵, 100 %.mp4", "a/b.mov", "no suffix"])
@pytest.mark.parametrize("kind", [str, Path])
def test_a_file_given_by_its_path_is_uploaded_under_its_name(
    client: Client, services: Services, tmp_path: Path, name: str, kind: Callable[[str], str | Path]
) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(VIDEO)
    job = client.upload(kind(str(file)))
    assert (job.state, job.file_name, job.video_bytes) == ("queued", file.name, len(VIDEO))
    assert _stored(services, job) == VIDEO


@pytest.mark.parametrize(
    ("name", "file_name", "content_type"),
    [
        ("b.mp4", "b.mp4", "video/mp4"),
        ("b.mov", "b.mov", "video/quicktime"),
        ("b.none", "b.none", "application/octet-stream"),
        (None, "video", "application/octet-stream"),
    ],
)
def test_an_open_file_is_uploaded_from_its_current_position(
    client: Client,
    deployment: Deployment,
    services: Services,
    name: str | None,
    file_name: str,
    content_type: str,
) -> None:
    file = io.BytesIO(b"before" + VIDEO)
    file.seek(6)
    seen: list[tuple[int, int | None]] = []
    job = client.upload(file, name, lambda done, total: seen.append((done, total)))
    assert seen == [(BLOCK, len(VIDEO)), (len(VIDEO), len(VIDEO))]
    assert (job.file_name, job.video_bytes) == (file_name, len(VIDEO))
    assert _stored(services, job) == VIDEO
    headers = deployment.requests[-1].headers
    assert (headers["Content-Type"], headers["Content-Length"]) == (content_type, str(len(VIDEO)))


def test_a_path_can_be_uploaded_with_a_name_progress_and_options(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "a.mp4"
    file.write_bytes(VIDEO)
    seen: list[int] = []
    job = client.upload(file, "b.mp4", lambda done, total: seen.append(done), bitrate=96, tag={"title": "T&=Ü"})
    assert (job.file_name, seen[-1]) == ("b.mp4", len(VIDEO))
    assert (job.options["bitrate"], job.options["tag.title"]) == (96, "T&=Ü")


def _stored(services: Services, job: Job) -> bytes:
    with services.videos.open(job_now(services, job.id).video_fid).file as file:
        return file.read()
