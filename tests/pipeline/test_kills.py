"""A process is killed while a job is at each point of the pipeline; every job still ends as promised."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pymongo
import pytest

from devservers.local_stack import GATEWAY, Stack
from devservers.mail_server import MailServer
from devservers.mariadb import MariaDb
from devservers.rabbitmq import RabbitMq
from devservers.waiting import wait_for
from devservers.webhook_receiver import WebhookReceiver
from soundlift.client import Client, ClientError
from soundlift.local.environment import STACK_FILE
from tests.factories.accounts import PASSWORD
from tests.factories.clips import talking_mp4
from tests.factories.jobs import is_notified
from tests.factories.webhooks import deliveries, endpoint
from tests.pipeline.conftest import EMAIL, open_services, skip_minutes

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
    "connector received from webhook",
    "webhook claimed the message",
    "webhook sent the message",
    "webhook marked the message as delivered",
    "connector decided on webhook",
    "connector settled on webhook",
}
CONCURRENCY = str(2 * len(POINTS))
SITECUSTOMIZE_FOLDER = Path(__file__).with_name("points")
ROOT = Path(__file__).parents[2]  # sitecustomize imports the project before the working directory is on sys.path

pytestmark = [pytest.mark.parametrize("servers", ["gridfs"], indirect=True), pytest.mark.timeout(600)]


class BlockedJobs:
    """Jobs in a stack, each blocked at a different point of the pipeline."""

    def __init__(self, stack: Stack, folder: Path, videos: list[Path], receiver: WebhookReceiver, secret: str) -> None:
        self.stack = stack
        self._receiver = receiver
        self._secret = secret
        self._folder = folder
        self._pool = ThreadPoolExecutor(len(videos))
        client = Client(stack.url, email=EMAIL, password=PASSWORD)
        self._uploads = [self._pool.submit(client.upload, video) for video in videos]

    def wait_for_all_points(self) -> None:
        def missing() -> set[str]:
            return POINTS - {file.name for file in self._folder.iterdir()}

        wait_for(lambda: not missing(), "a job is at each point", seconds=60)

    def release(self) -> None:
        (self._folder / "go").touch()

    def announced(self) -> Counter[tuple[str, str]]:
        """Return how often the webhook got each message, by its job and its id; all of them are verified."""
        messages = [(message.verified(self._secret), message.id) for message in self._receiver.messages]
        return Counter((message["data"]["job_id"], id_) for message, id_ in messages)

    def accepted(self) -> set[str]:
        """Wait for all uploads and return the ids of the jobs that were accepted."""
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
    """Return the settings of the servers, with a separate database for this test."""
    return {**servers, "DATABASE_URL": mariadb_server.url(mariadb_server.new_database())}


@pytest.fixture
def blocked(
    start: Callable[..., Stack], own_servers: Mapping[str, str], password_hash: str, tmp_path: Path
) -> Iterator[BlockedJobs]:
    """Return jobs in a stack, with one blocked at each point."""
    folder = tmp_path / "points"
    folder.mkdir()
    # Only the test calls cleanup, because moving all times while a job is processed would affect that job.
    stack_file = tmp_path / "stack.yml"
    stack_file.write_text(STACK_FILE.read_text().replace("topic: cron-function", "topic: nobody"))
    stack = start(
        **own_servers,
        STACK_FILE=str(stack_file),
        PYTHONPATH=os.pathsep.join((str(SITECUSTOMIZE_FOLDER), str(ROOT))),
        POINTS_FOLDER=str(folder),
        MAX_JOBS_IN_FLIGHT=CONCURRENCY,
        CONVERT_CONCURRENCY=CONCURRENCY,
        CONNECTOR_CONCURRENCY=CONCURRENCY,
        THREADS=str(2 * int(CONCURRENCY)),
        WEBHOOK_CONCURRENCY=CONCURRENCY,
        OUTBOUND_ALLOW="127.0.0.1",
        OUTBOUND_PORTS="*",
    )
    video = talking_mp4(tmp_path)
    with WebhookReceiver() as receiver:
        with open_services(stack, own_servers) as services:
            services.users.add(EMAIL, password_hash)
            added = endpoint(services, receiver.url, EMAIL)
        blocked = BlockedJobs(stack, folder, [video] * len(POINTS), receiver, added.secret)
        blocked.wait_for_all_points()
        yield blocked
        stack.stop()


def kill(stack: Stack, module: str) -> None:
    """Kill a child of the stack and its own children."""
    child = stack.child(module)
    assert child is not None
    os.killpg(child.pid, signal.SIGKILL)


def notified_jobs(mail_server: MailServer) -> list[str]:
    """Return the job id of each mail that the server has received."""
    return [mail["Message-ID"].strip("<").partition(".")[0] for mail in mail_server.messages]


def assert_promise(
    blocked: BlockedJobs,
    servers: Mapping[str, str],
    mail_server: MailServer,
    rabbitmq: RabbitMq,
    *,
    may_be_notified_twice: Set[str] = frozenset(),
) -> None:
    """Assert that each accepted job ends with one MP3 and one notification, and that nothing is left over.

    Its webhook got one message, which may have arrived repeatedly, with the same id each time.
    """
    accepted = blocked.accepted()
    wait_for(blocked.stack.answers, "the functions answer")
    with open_services(blocked.stack, servers) as services:

        def all_ended() -> bool:
            # An event whose job is claimed by a killed worker is redelivered until the claim expires.
            wait_for(lambda: rabbitmq.count(servers["BROKER_URL"]) == 0, "the queues are empty", seconds=300)
            skip_minutes(blocked.stack, servers)
            return all(
                job.state == "ready" and is_notified(services, job.id) for job in services.jobs.page(None, limit=100)
            ) and {each.status for each in deliveries(services, services.webhooks.list(EMAIL)[0])} == {"delivered"}

        wait_for(all_ended, "all jobs have ended, and their owners are notified", seconds=400)
        jobs = {job.id: job for job in services.jobs.page(None, limit=100)}
    assert accepted <= jobs.keys()
    with pymongo.MongoClient(servers["MEDIA_URL"]) as mongodb:
        stored = mongodb.mp3s.fs.files.find({"metadata.job": {"$in": list(jobs)}})
        assert sorted(str(file["_id"]) for file in stored) == sorted(str(job.mp3_fid) for job in jobs.values())
    assert sorted(job_id for job_id, _ in blocked.announced()) == sorted(jobs)
    notifications = Counter(job_id for job_id in notified_jobs(mail_server) if job_id in jobs)
    assert notifications.keys() == jobs.keys()
    assert {job_id for job_id, times in notifications.items() if times > 1} <= may_be_notified_twice
    assert notifications.total() <= len(jobs) + len(may_be_notified_twice)


def test_a_killed_connector_loses_and_repeats_nothing(
    blocked: BlockedJobs, own_servers: Mapping[str, str], mail_server_of_stack: MailServer, rabbitmq_node: RabbitMq
) -> None:
    kill(blocked.stack, "soundlift.connector")
    blocked.release()
    assert_promise(blocked, own_servers, mail_server_of_stack, rabbitmq_node)


def test_killed_functions_lose_nothing_and_repeat_only_unrecorded_mails(
    blocked: BlockedJobs, own_servers: Mapping[str, str], mail_server_of_stack: MailServer, rabbitmq_node: RabbitMq
) -> None:
    kill(blocked.stack, GATEWAY)
    with open_services(blocked.stack, own_servers) as services:
        pending = {job.id for job in services.jobs.page(None, limit=100) if not is_notified(services, job.id)}
    # A mail is sent again if notify was killed after sending it and before recording that.
    in_doubt = pending & set(notified_jobs(mail_server_of_stack))
    assert in_doubt
    assert max(blocked.announced().values()) == 1
    blocked.release()
    assert_promise(blocked, own_servers, mail_server_of_stack, rabbitmq_node, may_be_notified_twice=in_doubt)
    assert max(blocked.announced().values()) == 2  # the message that was sent, but not yet recorded


def test_a_killed_broker_loses_and_repeats_nothing(
    blocked: BlockedJobs, own_servers: Mapping[str, str], mail_server_of_stack: MailServer, rabbitmq_node: RabbitMq
) -> None:
    rabbitmq_node.server.kill()
    blocked.release()
    rabbitmq_node.server.start(seconds=100)
    assert_promise(blocked, own_servers, mail_server_of_stack, rabbitmq_node)
