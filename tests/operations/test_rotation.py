"""Secrets are rotated as docs/rotation.md describes, while requests go on, and none of them fails."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import pytest
import urllib3
from urllib3.util import Retry

from devservers.mariadb import MariaDb
from devservers.process_stack import ProcessStack
from devservers.rabbitmq import RabbitMq
from devservers.waiting import wait_for
from soundlift.common.auth.tokens import Tokens
from soundlift.common.errors import NotAuthorized
from soundlift.common.jobs.model import ENDED
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.factories.accounts import PASSWORD
from tests.factories.jobs import MP4, job_now
from tests.operations.documented import documented_commands

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(240)]

OLD, NEW = "the old key of all tokens, of 32 bytes", "the new key of all tokens, of 32 bytes"
EMAIL = "ada@example.org"
PAUSE_SECONDS = 0.3  # between rounds, so that the new processes get processor time to start
PARTS = ("login", "upload", "jobs", "convert", "connector")
# A request is repeated if the function is busy (429); every other failure counts, also one that asks for a repetition.
BUSY = Retry(
    10,
    **dict.fromkeys(("connect", "read", "redirect", "other"), 0),
    allowed_methods=None,
    status_forcelist=[429],
    backoff_factor=0.5,
    raise_on_status=False,
    respect_retry_after_header=False,
)


class Traffic:
    """A user who signs in, uploads and lists jobs again and again, each time at another process."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.failures: list[str] = []
        self.job_ids: list[str] = []
        self.rounds = 0
        self.token = self._sign_in()

    def round(self) -> None:
        """Use a token that is as old as the latest round as well as a new one."""
        for token in (self.token, self._sign_in()):
            self._request("GET", "/jobs", headers={"Authorization": f"Bearer {token}"})
        self.token = token
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "video/mp4"}
        job = self._request("POST", "/upload", body=MP4, headers=headers)
        if job:
            self.job_ids.append(str(job["job_id"]))
        self.rounds += 1

    def wait_for_round(self) -> None:
        """Wait until a round that begins after this call has ended."""
        rounds = self.rounds
        wait_for(lambda: self.rounds > rounds + 1, "a round has ended", seconds=60)

    def _sign_in(self) -> str:
        headers = urllib3.make_headers(basic_auth=f"{EMAIL}:{PASSWORD}")
        return str(self._request("POST", "/login", headers=headers).get("access_token"))

    def _request(self, method: str, path: str, **options: object) -> dict[str, object]:
        answer = urllib3.request(method, f"{self.url}/function{path}", retries=BUSY, timeout=30, **options)  # type: ignore[arg-type]
        if answer.status // 100 != 2:
            self.failures.append(f"{method} {path}: {answer.status} {answer.data[:300]!r}")
            return {}
        return dict(answer.json())


@contextmanager
def going_on(traffic: Traffic) -> Iterator[None]:
    """Run rounds in the background until the block ends, at least one after its last step."""
    stop = Event()

    def work() -> None:
        while not stop.wait(PAUSE_SECONDS):
            traffic.round()

    thread = Thread(target=work)
    thread.start()
    try:
        yield
        traffic.wait_for_round()
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def database(mariadb_server: MariaDb, mariadb_url: str) -> Iterator[str]:
    """Return the name of a database that the account `soundlift` may use."""
    name = mariadb_url.rpartition("/")[2]
    grant = f"GRANT ALL PRIVILEGES ON {name}.* TO soundlift"
    mariadb_server.execute("CREATE USER soundlift IDENTIFIED BY 'OLD-PASSWORD'", grant)
    yield name
    mariadb_server.execute("DROP USER IF EXISTS soundlift", "DROP USER IF EXISTS soundlift_b")


@pytest.fixture
def virtual_host(rabbitmq_node: RabbitMq) -> Iterator[str]:
    """Return a virtual host that the user `soundlift` may use."""
    host = rabbitmq_node.new_virtual_host().rpartition("/")[2]
    rabbitmq_node.control("add_user", "soundlift", "OLD-PASSWORD")
    rabbitmq_node.control("set_permissions", "-p", host, "soundlift", ".*", ".*", ".*")
    yield host
    rabbitmq_node.control("delete_user", "soundlift_b")
    rabbitmq_node.control("delete_vhost", host)


@dataclass(frozen=True)
class Servers:
    """The servers whose passwords are rotated."""

    mariadb: MariaDb
    database: str
    rabbitmq: RabbitMq
    virtual_host: str

    def urls(self, login: str) -> dict[str, str]:
        """Return the settings for a user and a password."""
        return {
            "DATABASE_URL": f"mysql://{login}@127.0.0.1:{self.mariadb.port}/{self.database}",
            "BROKER_URL": f"amqp://{login}@127.0.0.1:{self.rabbitmq.port}/{self.virtual_host}",
        }

    def add_second_users(self) -> None:
        """Run the documented commands, with the names of this test's database and virtual host."""
        create = documented_commands("rotation.md", "The database")[0]
        self.mariadb.execute(*_statements(create.replace("soundlift.*", f"{self.database}.*")))
        for line in documented_commands("rotation.md", "RabbitMQ")[0].splitlines():
            _, *words = shlex.split(line)
            self.rabbitmq.control(*(self.virtual_host if word == "VHOST" else word for word in words))

    def delete_first_users(self) -> None:
        """Delete the users that no process uses any more."""
        self.mariadb.execute(*_statements(documented_commands("rotation.md", "The database")[1]))
        wait_for(lambda: self._connected() == {"soundlift_b"}, "the old user has no connection")
        self.rabbitmq.control("delete_user", "soundlift")

    def _connected(self) -> set[str]:
        return set(self.rabbitmq.control("list_connections", "user", "--quiet", "--no-table-headers").split())


@pytest.fixture
def servers(mariadb_server: MariaDb, database: str, rabbitmq_node: RabbitMq, virtual_host: str) -> Servers:
    return Servers(mariadb_server, database, rabbitmq_node, virtual_host)


@pytest.fixture
def stack(servers: Servers, tmp_path: Path) -> Iterator[ProcessStack]:
    """Run a deployment in which the first users have the old secrets."""
    settings = {
        **servers.urls("soundlift:OLD-PASSWORD"),
        "MEDIA_URL": (tmp_path / "media").as_uri(),
        "JWT_SECRET": OLD,
        "SANDBOX": "off",
        "MAX_JOBS_IN_FLIGHT": "0",
        "DRAIN_SECONDS": "5",
    }
    stack = ProcessStack(tmp_path, settings)
    try:
        stack.gateway.start()
        for part in PARTS:
            stack.add(part)
        yield stack
    finally:
        stack.stop()


def test_the_key_of_tokens_the_database_and_rabbitmq_rotate_while_requests_go_on(
    stack: ProcessStack, servers: Servers, mariadb_url: str, password_hash: str, tmp_path: Path
) -> None:
    settings = {"DATABASE_URL": mariadb_url, "SOUNDLIFT_DATA": str(tmp_path)}
    services = Services(Settings.from_environment(settings))
    services.users.add(EMAIL, password_hash)
    traffic = Traffic(stack.url)
    with going_on(traffic):
        for keys in (f"{OLD}\n{NEW}", f"{NEW}\n{OLD}"):
            for part in ("login", "upload", "jobs"):
                assert stack.replace(part, JWT_SECRET=keys) == 0
            traffic.wait_for_round()  # after which no token is older
        servers.add_second_users()
        for part in PARTS:
            assert stack.replace(part, JWT_SECRET=NEW, **servers.urls("soundlift_b:NEW-PASSWORD")) == 0
        servers.delete_first_users()
    assert traffic.failures == []
    assert len(traffic.job_ids) == traffic.rounds > 8
    wait_for(lambda: all(job_now(services, job).state in ENDED for job in traffic.job_ids), "all jobs end", seconds=60)
    services.database.engine.dispose()


def _statements(block: str) -> list[str]:
    return [statement.strip() for statement in block.split(";") if statement.strip()]


def test_a_process_that_does_not_have_the_new_key_refuses_its_tokens() -> None:
    both, old = (Tokens(keys, sign_in_seconds=60, link_seconds=60) for keys in ((NEW, OLD), (OLD,)))
    with pytest.raises(NotAuthorized):
        old.identify(f"Bearer {both.sign_in(EMAIL, admin=False)}")
