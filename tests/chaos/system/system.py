"""Everything that a run starts: servers, proxies and processes, with accounts for its users."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pika

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
from tests.chaos.system.machine import mount_small_disk
from tests.chaos.system.servers import Servers, running_servers
from tests.factories.accounts import PASSWORD, SECRET

GATEWAY, FUNCTIONS = "gateway", "functions"
ADMIN = "admin@example.org"
REPLICAS = {"convert": 2, "connector": 2}
SMALL_DISK_MEGABYTES = 64
UNLIMITED = {"MAX_JOBS_IN_FLIGHT": "0", "MAX_STORED_BYTES": "0"}


@dataclass
class System:
    """A running deployment; `proxies` are those of the servers, the gateway, and the functions for the connector."""

    servers: Servers
    stack: ProcessStack
    proxies: dict[str, Forwarder]
    services: Services
    history: History
    temporary: Path
    small_disk: Path
    has_small_disk: bool
    stopping: threading.Event = field(default_factory=threading.Event)
    locks: dict[int, threading.Lock] = field(default_factory=dict)

    def process(self, part: str, choice: float) -> Process:
        """Return one of a part's processes, chosen by a number below 1."""
        processes = self.stack.processes[part]
        return processes[int(choice * len(processes))]

    def lock(self, process: Process) -> threading.Lock:
        """Return the lock of a process, which is held while it is stopped and started again."""
        return self.locks.setdefault(process.port, threading.Lock())

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


@contextmanager
def running_system(
    folder: Path, store: str, history: History, users: list[str], extra: Mapping[str, str] | None = None
) -> Iterator[System]:
    """Run a deployment in a folder with accounts for users, and `extra` in the environment of its processes."""
    with running_servers(folder / "servers", store) as servers:
        migrate(servers.direct["DATABASE_URL"])
        small_disk = folder / "tmp" / "convert"
        has_small_disk = mount_small_disk(small_disk, SMALL_DISK_MEGABYTES)
        common = {"JWT_SECRET": SECRET, "SOUNDLIFT_DATA": str(folder), **UNLIMITED, **(extra or {})}
        ports = {GATEWAY: free_port(), FUNCTIONS: free_port()}
        with Forwarder(ports[GATEWAY]) as gateway, Forwarder(ports[FUNCTIONS]) as functions:
            stack = ProcessStack(
                folder,
                {**common, **servers.settings},
                settings_of={"convert": {"TMPDIR": str(small_disk)}},
                count=REPLICAS,
                port=ports[GATEWAY],
                internal_port=ports[FUNCTIONS],
                public_url=f"http://127.0.0.1:{gateway.port}",
                functions_url=f"http://127.0.0.1:{functions.port}",
            )
            services = Services(Settings.from_environment({**common, **servers.direct}))
            proxies = {**servers.proxies, GATEWAY: gateway, FUNCTIONS: functions}
            system = System(servers, stack, proxies, services, history, folder / "tmp", small_disk, has_small_disk)
            _add_accounts(services, users)
            try:
                stack.start()
                yield system
            finally:
                system.stopping.set()
                stack.stop()
                services.database.engine.dispose()


def _add_accounts(services: Services, users: list[str]) -> None:
    password_hash = services.passwords.hash_new(PASSWORD)
    for user in users:
        services.users.add(user, password_hash)
    services.users.add(ADMIN, password_hash, admin=True)
