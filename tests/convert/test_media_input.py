"""FFmpeg reads an open file of a store on this machine, and a URL of any other store."""

from __future__ import annotations

import io
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from devservers.waiting import wait_for
from functions.convert.encode.ffmpeg import Ffmpeg, input_args
from functions.convert.encode.media_input import LocalFile, open_local
from functions.convert.encode.resource_limits import BYTES_ABOVE_OUTPUT, SECONDS_TO_DIE
from functions.convert.handler import convert
from soundlift.common.errors import MediaNotFound, StoreUnavailable
from soundlift.common.events import event_for
from soundlift.common.jobs.model import State
from soundlift.common.media import LocalFiles
from soundlift.common.media.folder import FolderStore, StoredFile
from soundlift.common.services import Services
from tests.factories.clips import talking_mp4
from tests.factories.jobs import job_now, queued_job
from tests.factories.media import store
from tests.factories.stores import WatchedStore

FID = "a" * 24
DECODE = ("-f", "null", "-")

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="limits are set, and read in /proc, on Linux only")


@dataclass
class LocalStore:
    """A store that opens the same local path for any id."""

    path: Path

    def open_file(self, fid: str) -> io.FileIO:
        return StoredFile(self.path)


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Path]:
    """Yield a named pipe that is open for writing, but empty."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = os.open(path, os.O_RDWR)
    yield path
    os.close(writer)


def _executable(pid: int) -> str:
    return Path(f"/proc/{pid}/exe").readlink().name


@on_linux
def test_ffmpeg_has_its_limits_and_no_environment_when_it_is_executed(
    services: Services, pipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JWT_SECRET", "the secret")
    settings = services.settings
    with closing(LocalFile(LocalStore(pipe), FID)) as file:
        run = Ffmpeg([*input_args("fd:"), *DECODE], settings, stdin=file.stdin())
    try:
        process = Path(f"/proc/{run.pid}")
        wait_for(lambda: _executable(run.pid).startswith("ffmpeg"), "FFmpeg is executed")
        limits = (process / "limits").read_text().splitlines()
        # Empty for a moment after the program has been replaced.
        environment = wait_for((process / "environ").read_bytes, "the environment can be read")
    finally:
        run.close()
    assert environment.split(b"\0") == [b"LC_ALL=C", b"AV_LOG_FORCE_COLOR=1", b""]
    cpu, size = settings.max_conversion_seconds, settings.max_audio_bytes + BYTES_ABOVE_OUTPUT
    for name, soft, hard in (
        ("Max cpu time", cpu, cpu + SECONDS_TO_DIE),
        ("Max address space", settings.max_memory_bytes, settings.max_memory_bytes),
        ("Max file size", size, size),
        ("Max core file size", 0, 0),
    ):
        (line,) = [line.removeprefix(name).split()[:2] for line in limits if line.startswith(name)]
        assert line == [str(soft), str(hard)]
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY


def test_each_run_reads_a_local_file_from_its_beginning(services: Services) -> None:
    store(services.videos, FID, b"content")
    assert isinstance(services.videos, LocalFiles)
    with open_local(services.videos, FID) as (url, file):
        assert url == "fd:"
        assert os.read(file.stdin(), 100) == b"content"
        assert os.read(file.stdin(), 100) == b"content"
        assert file.error is None
    assert not isinstance(WatchedStore(services.videos, lambda position: None), LocalFiles)


def test_a_file_is_closed_at_the_end_of_the_block(services: Services) -> None:
    store(services.videos, FID, b"content")
    assert isinstance(services.videos, LocalFiles)
    with open_local(services.videos, FID) as (_, file):
        descriptor = file.stdin()
        os.fstat(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    file = LocalFile(FolderStore(tmp_path), FID)
    assert file.error is None
    with pytest.raises(MediaNotFound):
        file.stdin()
    file.close()


class BrokenFiles(WatchedStore):
    """A store whose files can be opened, but fail when FFmpeg reads them."""

    def open_file(self, fid: str) -> io.FileIO:
        return StoredFile(Path("/proc/self/mem"))  # reading its first bytes is an I/O error


class LostFiles(WatchedStore):
    """A store that loses a file after it was probed."""

    def open_file(self, fid: str) -> io.FileIO:
        raise MediaNotFound("There is no such file in the media store.", fid=fid)


@on_linux
@pytest.mark.parametrize("broken", [BrokenFiles, LostFiles])
def test_an_error_of_the_store_during_a_read_releases_the_job(
    services: Services, tmp_path: Path, broken: type[WatchedStore]
) -> None:
    job = queued_job(services, talking_mp4(tmp_path).read_bytes())
    services.videos = broken(services.videos, lambda position: None)
    with pytest.raises(StoreUnavailable):
        convert(event_for(job), services)
    assert (job_now(services, job.id).state, job_now(services, job.id).attempts) == (State.QUEUED, 0)
