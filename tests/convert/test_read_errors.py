"""An error of a read that FFmpeg does not report never shortens or fails a job: the video is read again over HTTP."""

from __future__ import annotations

import io
import os
import sys
import tty
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from functions.convert.handler import convert
from soundlift.common.errors import StoreUnavailable
from soundlift.common.events import event_for
from soundlift.common.jobs.model import State
from soundlift.common.media import MediaStore
from soundlift.common.media.folder import StoredFile
from soundlift.common.services import Services
from tests.convert.outcome import stored_mp3s
from tests.factories.clips import ffmpeg
from tests.factories.jobs import job_now, queued_job
from tests.factories.stores import WatchedStore

MAX_HEADER_BYTES = 4096
SHORT_TONE = ("-f", "lavfi", "-i", "sine=duration=2:sample_rate=8000")
LONG_TONE = ("-f", "lavfi", "-i", "sine=duration=30:sample_rate=8000")  # more than the range server reads in one block

OpenFile = Callable[[], io.FileIO]


class LocalReads(WatchedStore):
    """A store whose open files differ from what it serves, as if reads of them had failed."""

    def __init__(self, store: MediaStore, open_file: OpenFile, before_read: Callable[[int], None]) -> None:
        super().__init__(store, before_read)
        self._open_file = open_file
        self.opened = 0

    def open_file(self, fid: str) -> io.FileIO:
        self.opened += 1
        return self._open_file()


class RecoveredTerminal(io.FileIO):
    """A terminal whose other end was closed: FFmpeg's read at its end is an I/O error, but later reads are not."""

    def read(self, size: int | None = -1, /) -> bytes:
        return b""


def _terminal_with(content: bytes) -> io.FileIO:
    reader, writer = os.openpty()
    tty.setraw(writer)
    os.write(writer, content)
    os.close(writer)
    return RecoveredTerminal(reader)


def _ignore(position: int) -> None:
    """Let a read succeed."""


def _fail_after_header(position: int) -> None:
    if position > MAX_HEADER_BYTES:
        raise StoreUnavailable("The store broke.")


@pytest.fixture
def wav(tmp_path: Path) -> bytes:
    return ffmpeg(tmp_path / "a.wav", *LONG_TONE).read_bytes()


@pytest.fixture
def truncated(tmp_path: Path, wav: bytes) -> OpenFile:
    """Return a function that opens the first half of a file."""
    file = tmp_path / "truncated"
    file.write_bytes(wav[: len(wav) // 2])
    return lambda: StoredFile(file)


@pytest.fixture
def unreadable(tmp_path: Path) -> OpenFile:
    """Return a function that opens a file without its beginning."""
    file = tmp_path / "unreadable"
    file.write_bytes(b"other bytes " * 1000)
    return lambda: StoredFile(file)


@pytest.mark.parametrize("name", ["truncated", "unreadable"])
def test_a_conversion_that_is_incomplete_or_fails_is_repeated_over_http(
    services: Services, request: pytest.FixtureRequest, wav: bytes, name: str
) -> None:
    job = queued_job(services, wav, name="video")
    services.videos = store = LocalReads(services.videos, request.getfixturevalue(name), _ignore)
    convert(event_for(job), services)
    job = job_now(services, job.id)
    assert (job.state, job.length, job.missing_seconds) == (State.READY, 30.0, 0.0)
    assert store.opened


@pytest.mark.skipif(sys.platform != "linux", reason="reading such a terminal is an I/O error on Linux only")
def test_a_conversion_in_which_ffmpeg_reports_a_read_error_is_repeated_over_http(
    services: Services, tmp_path: Path
) -> None:
    mp3 = ffmpeg(tmp_path / "a.mp3", *SHORT_TONE, "-b:a", "8k", "-write_xing", "0", "-id3v2_version", "0").read_bytes()
    beginning = mp3[: len(mp3) // 2]
    job = queued_job(services, mp3, name="video")
    services.videos = store = LocalReads(services.videos, lambda: _terminal_with(beginning), _ignore)
    convert(event_for(job), services)
    job = job_now(services, job.id)
    assert store.opened
    assert job.state == State.READY
    assert job.length == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize("name", ["truncated", "unreadable"])
def test_an_error_in_the_repetition_releases_the_job(
    services: Services, request: pytest.FixtureRequest, wav: bytes, name: str
) -> None:
    job = queued_job(services, wav, name="video")
    services.videos = LocalReads(services.videos, request.getfixturevalue(name), _fail_after_header)
    with pytest.raises(StoreUnavailable, match="broke"):
        convert(event_for(job), services)
    assert (job_now(services, job.id).state, job_now(services, job.id).attempts) == (State.QUEUED, 0)
    assert stored_mp3s(services) == []


def test_a_limit_fails_a_job_without_a_repetition(services: Services, tmp_path: Path, wav: bytes) -> None:
    services.settings = replace(services.settings, max_audio_bytes=1000)
    file = tmp_path / "a.wav"
    job = queued_job(services, wav, name="video")
    services.videos = LocalReads(services.videos, lambda: StoredFile(file), _fail_after_header)
    convert(event_for(job), services)
    assert job_now(services, job.id).error_code == "too_large"
