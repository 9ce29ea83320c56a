"""FFmpeg's own protocols, if a file could choose them, reach nothing but the files of the conversion.

Each test gives FFmpeg the arguments that a hostile file would need to make it use, with and without a sandbox, so it
fails if nothing had to prevent that.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from functions.convert.encode.ffmpeg import Ffmpeg, server_address
from functions.convert.handler import convert
from soundlift.common.events import event_for
from soundlift.common.jobs.model import State
from soundlift.common.process.sandbox.sandbox import Access
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.common.test_sandbox import confined
from tests.convert.conftest import Convert
from tests.factories.clips import SINE, ffmpeg, talking_mp4
from tests.factories.jobs import job_now, queued_job
from tests.factories.stores import WatchedStore

pytestmark = [
    pytest.mark.media,
    confined,
]

DECODE = ("-f", "null", "-")
ENCODE = (*SINE, "-f", "mp3", "-y")
REFUSED = "Operation not permitted"


@pytest.fixture
def own_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    return folder


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


def _run(arguments: list[str], access: Access, *, confines: bool) -> tuple[int, str]:
    """Run FFmpeg, and return its status and its report."""
    run = Ffmpeg(arguments, replace(Settings(), sandbox="required" if confines else "off"), access)
    with closing(run):
        outcome = run.wait()
    return outcome.status, outcome.report


@pytest.mark.parametrize("confines", [True, False])
def test_ffmpeg_reads_no_file_but_its_own(tmp_path: Path, own_folder: Path, confines: bool) -> None:
    other = ffmpeg(tmp_path / "other.wav", *SINE)
    status, report = _run(["-i", str(other), *DECODE], Access(own_folder), confines=confines)
    assert (status != 0, "Permission denied" in report) == (confines, confines)


@pytest.mark.parametrize("confines", [True, False])
def test_ffmpeg_writes_no_file_but_its_own(tmp_path: Path, own_folder: Path, confines: bool) -> None:
    other, own = tmp_path / "other.mp3", own_folder / "own.mp3"
    for file, is_written in ((other, not confines), (own, True)):
        status, _ = _run([*ENCODE, str(file)], Access(own_folder), confines=confines)
        assert (status == 0, file.exists()) == (is_written, is_written)


@pytest.mark.parametrize("confines", [True, False])
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_ffmpeg_without_a_server_opens_no_connection(
    own_folder: Path, listener: socket.socket, protocol: str, confines: bool
) -> None:
    address = f"{protocol}://127.0.0.1:{listener.getsockname()[1]}"
    _, report = _run([*ENCODE, address], Access(own_folder), confines=confines)
    assert (REFUSED in report) == confines
    if protocol != "udp" and not confines:
        listener.accept()[0].close()
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_ffmpeg_with_a_server_opens_no_other_connection(own_folder: Path, listener: socket.socket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        access = Access(own_folder, server.getsockname())
        for protocol in ("tcp", "udp"):
            address = f"{protocol}://127.0.0.1:{listener.getsockname()[1]}"
            _, report = _run([*ENCODE, address], access, confines=True)
            assert (REFUSED in report) == (protocol == "udp")
        server.accept()[0].close()
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_the_server_of_a_url_is_its_host_and_port() -> None:
    assert server_address("http://127.0.0.1:1234/path.mp4") == ("127.0.0.1", 1234)
    assert server_address("fd:") is None


@pytest.mark.parametrize("is_local", [True, False])
def test_a_required_sandbox_converts_a_file_of_any_store(services: Services, tmp_path: Path, is_local: bool) -> None:
    services.settings = replace(services.settings, sandbox="required", convert_concurrency=1)
    job = queued_job(services, talking_mp4(tmp_path).read_bytes())
    if not is_local:
        services.videos = WatchedStore(services.videos, lambda position: None)
    convert(event_for(job), services)
    assert job_now(services, job.id).state == State.READY


def test_a_conversion_without_a_sandbox_has_the_same_result(
    services: Services, convert_file: Convert, tmp_path: Path
) -> None:
    file = talking_mp4(tmp_path)
    confined = convert_file(file)
    services.settings = replace(services.settings, sandbox="off")
    assert (confined.mp3_bytes, confined.length) == (convert_file(file).mp3_bytes, confined.length)
