"""A job stands at every point of the way when a process is killed; the promise holds for each."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pymongo
import pytest

from devservers.local_stack import Stack
from devservers.mail_server import MailServer
from devservers.mariadb import MariaDb
from devservers.rabbitmq import RabbitMq
from devservers.waiting import wait_for
from soundlift.client import Client, ClientError
from soundlift.local.environment import STACK_FILE
from tests.factories.accounts import PASSWORD
from tests.factories.clips import talking_mp4
from tests.factories.jobs import is_notified
from tests.pipeline.conftest import EMAIL, services_of, skip_minutes

POINTS = {
    "upload wrote its row",
    "upload stored the video",
    "upload queued the job",
    "upload published the event",
    "connector received from video",
    "convert was called",
    "convert claimed the job",
    "convert made the MP3",
    "convert stored the MP3",
    "convert ended the job",
    "connector had the reply",
    "connector published the reply",
    "connector decided on video",
    "connector settled on video",
    "connector received from mp3",
    "notify was called",
    "notify claimed the mail",
    "notify sent the mail",
    "notify marked the mail as delivered",
    "connector decided on mp3",
    "connector settled on mp3",
}
ROOM = str(2 * len(POINTS))
HOLDING = Path(__file__).with_name("points")

pytestmark = [pytest.mark.parametrize("servers", ["gridfs"], indirect=True), pytest.mark.timeout(600)]


class Way:
    """Is the way of some jobs through a stack, each of which stands at another point of it."""

    def __init__(self, stack: Stack, folder: Path, videos: list[Path]) -> None:
        self.stack = stack
        self._folder = folder
        self._pool = ThreadPoolExecutor(len(videos))
        client = Client(stack.url, email=EMAIL, password=PASSWORD)
        self._uploads = [self._pool.submit(client.upload, video) for video in videos]

    def wait_until_full(self) -> None:
        def missing() -> set[str]:
            return POINTS - {file.name for file in self._folder.iterdir()}

        wait_for(lambda: not missing(), "a job stands at each point", seconds=60)

    def go(self) -> None:
        (self._folder / "go").touch()

    def answered(self) -> set[str]:
        """Return the ids of the jobs whose upload was answered 2xx, when all have ended."""
        ids = set()
        for upload in self._uploads:
            try:
                ids.add(upload.result(60).id)
            except ClientError:
                continue
        self._pool.shutdown()
        return ids


@pytest.fixture
def own_servers(servers: Mapping[str, str], mariadb_server: MariaDb) -> Mapping[str, str]:
    """Return the settings of the servers, with a database of this test's own."""
    return {**servers, "DATABASE_URL": mariadb_server.url(mariadb_server.new_database())}


@pytest.fixture
def way(
    start: Callable[..., Stack], own_servers: Mapping[str, str], password_hash: str, tmp_path: Path
) -> Iterator[Way]:
    """Return the way, with a job at each point of it."""
    folder = tmp_path / "points"
    folder.mkdir()
    # Time passes for all jobs at once here, so none may be in work then: cleanup is called by the test alone.
    stack_file = tmp_path / "stack.yml"
    stack_file.write_text(STACK_FILE.read_text().replace("topic: cron-function", "topic: nobody"))
    stack = start(
        **own_servers,
        STACK_FILE=str(stack_file),
        PYTHONPATH=str(HOLDING),
        POINTS_FOLDER=str(folder),
        MAX_JOBS_IN_FLIGHT=ROOM,
        CONVERT_CONCURRENCY=ROOM,
        CONNECTOR_CONCURRENCY=ROOM,
        THREADS=str(2 * int(ROOM)),
    )
    with services_of(stack, own_servers) as services:
        services.users.add(EMAIL, password_hash)
    video = talking_mp4(tmp_path)
    way = Way(stack, folder, [video] * len(POINTS))
    way.wait_until_full()
    yield way
    stack.stop()


def kill(stack: Stack, module: str) -> None:
    """Kill a child of the stack, and the children that it has itself."""
    child = stack.child(module)
    assert child is not None
    os.killpg(child.pid, signal.SIGKILL)


def recipients_of(mail_server: MailServer) -> list[str]:
    """Return the job of each mail that the server has taken."""
    return [mail["Message-ID"].strip("<").partition(".")[0] for mail in mail_server.messages]


def assert_promise(
    way: Way,
    servers: Mapping[str, str],
    mail_server: MailServer,
    rabbitmq: RabbitMq,
    *,
    may_be_notified_twice: Set[str] = frozenset(),
) -> None:
    """See each job whose upload was answered end in one MP3 and its owner told once, and nothing else be left."""
    answered = way.answered()
    wait_for(way.stack.answers, "the functions answer")
    with services_of(way.stack, servers) as services:

        def over() -> bool:
            # An event whose job is claimed by a worker that died comes again until the claim has run out.
            wait_for(lambda: rabbitmq.count(servers["BROKER_URL"]) == 0, "the queues are empty", seconds=300)
            skip_minutes(way.stack, servers)
            return all(
                job.state == "ready" and is_notified(services, job.id) for job in services.jobs.page(None, limit=100)
            )

        wait_for(over, "all jobs have ended, and their owners are notified", seconds=400)
        jobs = {job.id: job for job in services.jobs.page(None, limit=100)}
    assert answered <= jobs.keys()
    with pymongo.MongoClient(servers["MEDIA_URL"]) as mongodb:
        stored = mongodb.mp3s.fs.files.find({"metadata.job": {"$in": list(jobs)}})
        assert sorted(str(file["_id"]) for file in stored) == sorted(str(job.mp3_fid) for job in jobs.values())
    told = Counter(job_id for job_id in recipients_of(mail_server) if job_id in jobs)
    assert told.keys() == jobs.keys()
    assert {job_id for job_id, times in told.items() if times > 1} <= may_be_notified_twice
    assert told.total() <= len(jobs) + len(may_be_notified_twice)


def test_the_connector(
    way: Way, own_servers: Mapping[str, str], mail_server_of_stack: MailServer, rabbitmq_node: RabbitMq
) -> None:
    kill(way.stack, "soundlift.connector")
    way.go()
    assert_promise(way, own_servers, mail_server_of_stack, rabbitmq_node)


def test_the_functions(
    way: Way, own_servers: Mapping[str, str], mail_server_of_stack: MailServer, rabbitmq_node: RabbitMq
) -> None:
    kill(way.stack, "gunicorn")
    with services_of(way.stack, own_servers) as services:
        pending = {job.id for job in services.jobs.page(None, limit=100) if not is_notified(services, job.id)}
    # Whoever has sent a mail, and died before it could write that down, sends it again.
    in_doubt = pending & set(recipients_of(mail_server_of_stack))
    assert in_doubt
    way.go()
    assert_promise(way, own_servers, mail_server_of_stack, rabbitmq_node, may_be_notified_twice=in_doubt)


def test_the_broker(
    way: Way, own_servers: Mapping[str, str], mail_server_of_stack: MailServer, rabbitmq_node: RabbitMq
) -> None:
    rabbitmq_node.server.kill()
    way.go()
    rabbitmq_node.server.start(seconds=100)
    assert_promise(way, own_servers, mail_server_of_stack, rabbitmq_node)
