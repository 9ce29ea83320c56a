"""Everything that a run starts: servers, proxies and processes, with accounts for its users."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path

import pika
import urllib3

from devservers.forwarder import Forwarder
from devservers.ports import free_port
from devservers.process_stack import Process, ProcessStack
from soundlift.client import Client
from soundlift.common.broker import DELAYS
from soundlift.common.broker.rabbitmq.topology import DEFAULT_EXCHANGE, delay_name
from soundlift.common.db.migrations import migrate
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.chaos.history import History
from tests.chaos.system.machine import small_disk
from tests.chaos.system.servers import Servers, running_servers
from tests.factories.accounts import PASSWORD, SECRET

GATEWAY, FUNCTIONS = "gateway", "functions"
ADMIN = "admin@example.org"
REPLICAS = {"convert": 2, "connector": 2}
SMALL_DISK_MEGABYTES = 64
READY_SECONDS = 10
UNLIMITED = {
    "MAX_JOBS_IN_FLIGHT": "0",
    "MAX_STORED_BYTES": "0",
    "MAX_UNFINISHED_UPLOADS": "0",
    "OUTBOUND_ALLOW": "127.0.0.0/8",  # videos are imported from this machine, which also receives webhooks
    "OUTBOUND_PORTS": "*",
}


@dataclass
class System:
    """A running deployment; `proxies` are those of the servers, the gateway, and the functions for the connector."""

    servers: Servers
    stack: ProcessStack
    proxies: dict[str, Forwarder]
    services: Services
    history: History
    temporary: Path
    disk: Path
    stopping: threading.Event = field(default_factory=threading.Event)
    locks: dict[int, threading.Lock] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.stack.url

    @property
    def media_url(self) -> str:
        return self.servers.direct["MEDIA_URL"]

    def process(self, part: str, choice: float) -> Process:
        """Return one of a part's processes, chosen by a number below 1."""
        processes = self.stack.processes[part]
        return processes[int(choice * len(processes))]

    def lock(self, process: Process) -> threading.Lock:
        """Return the lock of a process, which is held while it is stopped and started again."""
        return self.locks.setdefault(process.port, threading.Lock())

    def is_up(self) -> bool:
        """Return whether every process is ready, with everything that it needs."""
        processes = [process for running in self.stack.processes.values() for process in running]
        return all(map(_is_ready, processes))

    def messages(self) -> Sequence[EmailMessage]:
        """Return the mails that have been received, in their order."""
        return self.servers.mail.messages

    def restart_ended(self) -> None:
        """Start processes again that have ended by themselves, as a platform does."""
        for process in [process for running in list(self.stack.processes.values()) for process in running]:
            lock = self.lock(process)
            if lock.acquire(blocking=False):  # otherwise a fault has stopped it
                try:
                    self._restart_if_ended(process)
                finally:
                    lock.release()

    def _restart_if_ended(self, process: Process) -> None:
        if process.server.has_ended:
            about = {"number": 0, "name": "ended by itself", "target": process.part, "phase": "begin"}
            self.history.record("fault", **about, code=process.server.exit_code)
            process.server.kill()
            with suppress(TimeoutError, AssertionError):
                process.server.start()

    def admin(self) -> Client:
        """Return a client of an admin that no proxy disturbs."""
        return Client(f"http://127.0.0.1:{self.stack.port}", email=ADMIN, password=PASSWORD)

    def cleanup(self) -> Mapping[str, int]:
        """Call cleanup, as cron does every minute, and return its counts."""
        answer = self.stack.cleanup()
        counts: Mapping[str, int] = answer.json() if answer.status == 200 else {"refused": answer.status}
        return counts

    def end_delays(self) -> int:
        """Deliver the messages now that wait in delay queues, and return their number."""
        ended = 0
        with pika.BlockingConnection(pika.URLParameters(self.servers.direct["BROKER_URL"])) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            for queue in map(delay_name, DELAYS):
                while (found := channel.basic_get(queue))[0]:
                    method, properties, body = found
                    channel.basic_publish(DEFAULT_EXCHANGE, method.routing_key, body, properties)
                    channel.basic_ack(method.delivery_tag)
                    ended += 1
        return ended

    def waiting(self) -> dict[str, int]:
        """Return the number of messages by queue, without dead letters."""
        counts = self.servers.broker.count_by_queue(self.servers.direct["BROKER_URL"])
        return {queue: count for queue, count in counts.items() if count and not queue.endswith(".dead")}


def _is_ready(process: Process) -> bool:
    path = "/readyz" if process.part == "connector" else "/_/ready"
    with suppress(urllib3.exceptions.HTTPError):
        url = f"http://127.0.0.1:{process.port}{path}"
        return urllib3.request("GET", url, retries=False, timeout=READY_SECONDS).status == 200
    return False


@contextmanager
def running_system(
    folder: Path, store: str, history: History, users: list[str], extra: Mapping[str, str] | None = None
) -> Iterator[System]:
    """Run a deployment in a folder with accounts for users, and `extra` in the environment of its processes."""
    disk = folder / "tmp" / "convert"
    with running_servers(folder / "servers", store) as servers, small_disk(disk, SMALL_DISK_MEGABYTES):
        migrate(servers.direct["DATABASE_URL"])
        common = {"JWT_SECRET": SECRET, "SOUNDLIFT_DATA": str(folder), **UNLIMITED, **(extra or {})}
        ports = {GATEWAY: free_port(), FUNCTIONS: free_port()}
        with Forwarder(ports[GATEWAY]) as gateway, Forwarder(ports[FUNCTIONS]) as functions:
            stack = ProcessStack(
                folder,
                {**common, **servers.settings},
                settings_of={"convert": {"TMPDIR": str(disk)}},
                count=REPLICAS,
                port=ports[GATEWAY],
                internal_port=ports[FUNCTIONS],
                public_url=f"http://127.0.0.1:{gateway.port}",
                functions_url=f"http://127.0.0.1:{functions.port}",
            )
            services = Services(Settings.from_environment({**common, **servers.direct}))
            proxies = {**servers.proxies, GATEWAY: gateway, FUNCTIONS: functions}
            system = System(servers, stack, proxies, services, history, folder / "tmp", disk)
            add_accounts(services, users)
            try:
                stack.start()
                yield system
            finally:
                system.stopping.set()
                stack.stop()
                services.database.engine.dispose()


def add_accounts(services: Services, users: list[str]) -> None:
    """Add an account for each user, and one for the admin."""
    password_hash = services.passwords.hash_new(PASSWORD)
    for user in users:
        services.users.add(user, password_hash)
    services.users.add(ADMIN, password_hash, admin=True)
