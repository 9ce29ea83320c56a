"""A killed worker leaves no running FFmpeg, and its temporary folder is deleted by the next sweep."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from devservers.local_stack import living_processes
from devservers.ports import free_port
from devservers.waiting import wait_for
from soundlift.common.process.ffmpeg import binary
from soundlift.common.services import Services
from tests.factories.accounts import SECRET
from tests.factories.clips import ffmpeg
from tests.factories.jobs import queued_job

pytestmark = pytest.mark.media

ROOT = Path(__file__).parents[2]

ENDLESS_FFMPEG = """
import sys
from functions.convert.encode.ffmpeg import Ffmpeg
from soundlift.common.settings import Settings
runs = [
    Ffmpeg(["-f", "lavfi", "-i", "anullsrc", "-metadata", f"title={sys.argv[1]}", "-f", "null", "-"], Settings())
    for _ in range(2)
]
print("running", flush=True)
sys.stdin.readline()
"""
CONVERTING = """
import sys
from functions.convert.handler import convert
from soundlift.common.events import event_for
from soundlift.common.services import process_services
from tests.factories.stores import WatchedStore

services = process_services()

def wait_at(position):
    if position > 0:
        print("running", flush=True)
        sys.stdin.readline()

services.videos = WatchedStore(services.videos, wait_at)
convert(event_for(services.jobs.find(sys.argv[1])), services)
"""
CLEANUP = """
from functions.cleanup.handler import app
assert app.test_client().post("/").status_code == 200
"""


class Workers:
    """Worker processes with their own folder for temporary files."""

    def __init__(self, services: Services, temporary: Path) -> None:
        self.temporary = temporary
        self._processes: list[subprocess.Popen[str]] = []
        self.environment = {
            "PATH": os.environ["PATH"],
            "SOUNDLIFT_DATA": str(services.settings.soundlift_data),
            "JWT_SECRET": SECRET,
            "TMPDIR": str(temporary),
        }

    def start(self, code: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a worker, wait until its FFmpeg runs, and return it."""
        process = self._popen([sys.executable, "-c", code, *arguments])
        assert process.stdout is not None
        while process.stdout.readline() != "running\n":
            assert process.poll() is None
        return process

    def serve(self, application: str) -> None:
        """Start a function as in a deployment."""
        arguments = [sys.executable, "-m", "gunicorn", "-c", "python:soundlift.common.web.gunicorn_config", application]
        self._popen(arguments, HOST="127.0.0.1", PORT=str(free_port()))

    def cleanup(self) -> None:
        """Call cleanup, as cron does."""
        subprocess.run([sys.executable, "-c", CLEANUP], env=self.environment, cwd=ROOT, check=True)

    def folders(self) -> list[Path]:
        return sorted(self.temporary.glob("soundlift-*"))

    def stop(self) -> None:
        for process in self._processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def _popen(self, arguments: list[str], **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            arguments, env={**self.environment, **environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, start_new_session=True, cwd=ROOT,
        )  # fmt: skip
        self._processes.append(process)
        return process


@pytest.fixture
def workers(services: Services, tmp_path: Path) -> Iterator[Workers]:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    workers = Workers(services, temporary)
    yield workers
    workers.stop()


@pytest.fixture
def ffmpegs() -> Iterator[Callable[[str], list[int]]]:
    """Return a function that finds FFmpeg processes by a word in their arguments; they are killed after the test."""
    words = set()

    def running(word: str) -> list[int]:
        words.add(word)
        return [
            one.pid for one in living_processes().values() if one.command.startswith(binary()) and word in one.command
        ]

    yield running
    for pid in [pid for word in words for pid in running(word)]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def converting(services: Services, workers: Workers, tmp_path: Path) -> subprocess.Popen[str]:
    """Return a worker that is converting."""
    sound = ffmpeg(tmp_path / "a.wav", "-f", "lavfi", "-i", "sine=duration=30:sample_rate=48000").read_bytes()
    return workers.start(CONVERTING, queued_job(services, sound, "a.wav").id)


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGABRT])
def test_no_ffmpeg_outlives_its_worker(
    workers: Workers, ffmpegs: Callable[[str], list[int]], signal_number: signal.Signals
) -> None:
    title = f"endless-{os.getpid()}-{signal_number}"
    process = workers.start(ENDLESS_FFMPEG, title)
    wait_for(lambda: len(ffmpegs(title)) == 2, "both are executed")
    process.send_signal(signal_number)
    process.wait()
    wait_for(lambda: not ffmpegs(title), "FFmpeg has ended")


def test_a_worker_killed_in_a_conversion_leaves_no_process(
    workers: Workers, ffmpegs: Callable[[str], list[int]], converting: subprocess.Popen[str]
) -> None:
    (folder,) = workers.folders()
    assert ffmpegs(str(folder))
    converting.kill()
    converting.wait()

    def session() -> str:
        return subprocess.run(
            ["ps", "-o", "stat=", "-s", str(converting.pid)], check=False, capture_output=True, text=True
        ).stdout.replace("Z", "").strip()  # fmt: skip

    wait_for(lambda: not ffmpegs(str(folder)), "FFmpeg has ended")
    wait_for(lambda: not session(), "all processes that the worker started have ended")


@pytest.mark.servers
def test_the_folder_of_a_killed_worker_is_swept_at_the_next_start(
    workers: Workers, converting: subprocess.Popen[str]
) -> None:
    assert workers.folders()
    converting.kill()
    converting.wait()
    assert workers.folders()
    workers.serve("functions.validate.handler:app")
    wait_for(lambda: not workers.folders(), "the folder is gone")


def test_cleanup_sweeps_the_folder_of_a_killed_worker_but_none_in_use(
    services: Services, workers: Workers, converting: subprocess.Popen[str], tmp_path: Path
) -> None:
    (left,) = workers.folders()
    other = workers.start(CONVERTING, queued_job(services, (tmp_path / "a.wav").read_bytes(), "b.wav").id)
    (in_use,) = set(workers.folders()) - {left}
    converting.kill()
    converting.wait()
    workers.cleanup()
    assert workers.folders() == [in_use]
    other.kill()
    other.wait()
    workers.cleanup()
    assert workers.folders() == []


def test_cleanup_leaves_the_folders_of_other_programs_alone(workers: Workers, tmp_path: Path) -> None:
    somewhere = tmp_path / "somewhere"
    for folder in (workers.temporary / "soundlift-checkout", somewhere):
        folder.mkdir()
        (folder / "file").write_text("mine")
    (somewhere / ".soundlift-lock").touch()
    (workers.temporary / "soundlift-link").symlink_to(somewhere)
    workers.cleanup()
    assert len(workers.folders()) == 2
    assert (somewhere / "file").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder of another user")
def test_cleanup_leaves_the_folders_of_other_users_alone(workers: Workers) -> None:
    folder = workers.temporary / "soundlift-theirs"
    folder.mkdir()
    (folder / ".soundlift-lock").touch()
    os.chown(folder, 65534, 65534)
    workers.cleanup()
    assert workers.folders() == [folder]
