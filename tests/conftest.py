"""Gives tests the real parts: a data folder, tables, services, functions, jobs, a mail server and a video."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from flask.testing import FlaskClient

from soundlift.common.database import jobs as job_table
from soundlift.common.job_row import Job, State
from soundlift.common.media import MediaInfo, MediaStore
from soundlift.common.migrations import migrate
from soundlift.common.runtime import Function, event_function, http_function
from soundlift.common.services import Services
from soundlift.common.settings import Settings

T = TypeVar("T")

ADA = "ada@example.org"
EVENT_FUNCTIONS = ("convert", "notify")
POLL_SECONDS = 0.02


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a migrated SQLite file, to be copied."""
    file = tmp_path_factory.mktemp("database") / "soundlift.db"
    migrate(f"sqlite:///{file}")
    return file


@pytest.fixture
def settings(tmp_path: Path, empty_database: Path) -> Settings:
    """Return the embedded defaults in a folder of this test's own, with tables and a secret."""
    shutil.copy(empty_database, tmp_path / "soundlift.db")
    return Settings.from_environment({"SOUNDLIFT_DATA": str(tmp_path), "JWT_SECRET": "s" * 32})


@pytest.fixture
def open_services() -> Iterator[Callable[[Settings], Services]]:
    """Return a function that makes services as a process of its own would have them."""
    opened: list[Services] = []

    def make(settings: Settings) -> Services:
        opened.append(Services(settings))
        return opened[-1]

    yield make
    for services in opened:
        if "database" in vars(services):
            services.database.engine.dispose()


@pytest.fixture
def services(settings: Settings, open_services: Callable[[Settings], Services]) -> Services:
    """Return services over embedded adapters."""
    return open_services(settings)


def function_with(name: str, services: Services) -> Function:
    """Return the application of a function as its module makes it, but with these services."""
    module = import_module(f"functions.{name}.handler")
    handle, app = getattr(module, name), module.app
    if name in EVENT_FUNCTIONS:
        return event_function(handle, needs=app.needs, services=services)
    methods = sorted(next(app.url_map.iter_rules("handle")).methods)
    largest = app.config["MAX_CONTENT_LENGTH"]
    return http_function(handle, methods=methods, needs=app.needs, largest_body=largest, services=services)


@pytest.fixture
def client(services: Services) -> Callable[..., FlaskClient]:
    """Return a function from a function's name to its test client."""
    return lambda name, own=None: function_with(name, own or services).test_client()


@pytest.fixture
def serve() -> Iterator[Callable[[str, Services], tuple[str, int]]]:
    """Return a function that serves one function on a real socket and tells its address."""
    from werkzeug.serving import BaseWSGIServer, make_server

    running: list[tuple[BaseWSGIServer, threading.Thread]] = []

    def start(name: str, services: Services) -> tuple[str, int]:
        server = make_server("127.0.0.1", 0, function_with(name, services), threaded=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": POLL_SECONDS})
        thread.start()
        running.append((server, thread))
        return "127.0.0.1", server.port

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def bearer(services: Services) -> Callable[..., dict[str, str]]:
    """Return a function from a user name to the header that signs that user in."""

    def header(username: str = ADA, *, admin: bool = False) -> dict[str, str]:
        return {"Authorization": f"Bearer {services.tokens.sign_in(username, admin=admin)}"}

    return header


@pytest.fixture
def store_media() -> Callable[[MediaStore, str, bytes], None]:
    """Return a function that puts a whole file into a store."""

    def put(store: MediaStore, fid: str, data: bytes) -> None:
        writer = store.create(fid, MediaInfo(ADA, "clip.mp4", "video/mp4", "0" * 24))
        writer.write(data)
        writer.commit()

    return put


@pytest.fixture
def alter(services: Services) -> Callable[..., None]:
    """Return a function that sets columns of a job's row, so that no test waits for a clock."""

    def set_columns(job_id: str, **values: Any) -> None:
        with services.database.write() as connection:
            connection.execute(job_table.update().where(job_table.c.id == job_id).values(**values))

    return set_columns


@pytest.fixture
def make_job(services: Services, store_media: Callable[[MediaStore, str, bytes], None]) -> Callable[..., Job]:
    """Return a function that brings a new job to a state, by the steps that lead there."""

    def make(
        state: State = State.READY,
        *,
        username: str = ADA,
        file_name: str = "clip.mp4",
        told: bool = False,
        sound: bytes = b"sound" * 2000,
    ) -> Job:
        jobs = services.jobs
        job = jobs.receive(username=username, file_name=file_name, content_type="video/mp4", traceparent=None)
        if state != State.RECEIVING:
            store_media(services.videos, job.video_fid, b"video")
            assert jobs.queue(job.id, video_bytes=5)
        if state in (State.CONVERTING, State.READY, State.FAILED, State.EXPIRED, State.DELETED):
            claim = jobs.claim(found(jobs.find(job.id)))
            assert claim and claim.mp3_fid
            if state == State.FAILED:
                assert jobs.failed(claim, code="no_audio", sentence="The video has no sound.")
            elif state != State.CONVERTING:
                store_media(services.mp3s, claim.mp3_fid, sound)
                assert jobs.ready(claim, mp3_bytes=len(sound), length=5.3)
        if state == State.CANCELLED:
            assert jobs.cancel(job.id)
        if told or state == State.EXPIRED:
            assert jobs.told(found(jobs.claim_telling(job.id)))
        if state == State.EXPIRED:
            assert jobs.expire(found(jobs.find(job.id)), retention=-1)
        if state == State.DELETED:
            assert jobs.delete(job.id)
        return found(jobs.find(job.id))

    return make


def found(value: T | None) -> T:
    """Return a value that must be there."""
    assert value is not None
    return value


class MailServer:
    """Is a real SMTP server that keeps what it is sent, or answers RCPT with a refusal."""

    def __init__(self) -> None:
        self.received: list[Envelope] = []
        self.refusal: str | None = None
        self.url = ""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take or refuse a recipient."""
        if self.refusal:
            return self.refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        """Keep a mail."""
        self.received.append(envelope)
        return "250 OK"


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    """Run an SMTP server on a free port."""
    handler, loop = MailServer(), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    listening = loop.create_server(lambda: SMTP(handler, loop=loop), "127.0.0.1", 0)
    server = asyncio.run_coroutine_threadsafe(listening, loop).result(10)
    handler.url = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield handler
    loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def refusing_port() -> Iterator[int]:
    """Hold a port on which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture(scope="session")
def sample_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a two-second MP4 with picture and sound."""
    import imageio_ffmpeg

    file = tmp_path_factory.mktemp("media") / "sample.mp4"
    sources = ("-f", "lavfi", "-i", "testsrc=d=2:s=128x96:r=10", "-f", "lavfi", "-i", "sine=d=2")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *sources, "-shortest", str(file)]
    subprocess.run(command, check=True, timeout=60)
    return file


@pytest.fixture(scope="session")
def eventually() -> Callable[..., Any]:
    """Return a function that asks again until the answer is true, and fails after a deadline in seconds."""

    def wait_for(question: Callable[[], T], within: float = 10) -> T:
        deadline = time.monotonic() + within
        while not (answer := question()):
            assert time.monotonic() < deadline, f"not so within {within} s"
            time.sleep(POLL_SECONDS)
        return answer

    return wait_for
