"""The embedded stack of a run: `soundlift up` with SQLite, a folder, a queue in a file and a mail folder."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path

import urllib3

from devservers.forwarder import Forwarder
from devservers.local_stack import living_processes
from devservers.ports import free_port
from devservers.server import Server
from devservers.waiting import wait_for
from soundlift.client import Client
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.chaos.history import History
from tests.chaos.outside.mailboxes import read_messages
from tests.chaos.outside.queues import count_queue_file
from tests.chaos.system.machine import small_disk
from tests.chaos.system.system import ADMIN, GATEWAY, UNLIMITED, add_accounts
from tests.factories.accounts import PASSWORD, SECRET

CONNECTOR, SUPERVISOR = "connector", "supervisor"
# How the command of each child shows what it is; with setproctitle installed, gunicorn changes its own.
COMMANDS = {
    GATEWAY: ("-m soundlift.local.gateway_process", "gunicorn: master"),
    CONNECTOR: ("-m soundlift.connector",),
}
DISK_MEGABYTES = 768
TIMEOUT_SECONDS = 10.0
END_SECONDS = 60.0  # a conversion may end first


@dataclass
class EmbeddedSystem:
    """A running `soundlift up`, reached through a proxy in front of its gateway."""

    up: Server
    port: int
    proxy: Forwarder
    services: Services
    history: History
    data: Path
    temporary: Path
    stopping: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    seen_mails: dict[str, EmailMessage] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.proxy.port}"

    @property
    def media_url(self) -> str:
        return (self.data / "media").as_uri()

    @property
    def proxies(self) -> dict[str, Forwarder]:
        return {GATEWAY: self.proxy}

    def admin(self) -> Client:
        """Return a client of an admin that no proxy disturbs."""
        return Client(f"http://127.0.0.1:{self.port}", email=ADMIN, password=PASSWORD)

    def is_up(self) -> bool:
        """Return whether the gateway answers and the connector runs."""
        with suppress(urllib3.exceptions.HTTPError):
            return self.pid_of(CONNECTOR) is not None and self._request("GET", "/healthz").status == 200
        return False

    def cleanup(self) -> dict[str, int]:
        """Call cleanup, as cron does every minute, and return its counts."""
        login = (self.data / "secrets" / "gateway-login").read_text()
        answer = self._request("POST", "/function/cleanup", urllib3.make_headers(basic_auth=login))
        counts: dict[str, int] = answer.json() if answer.status == 200 else {"refused": answer.status}
        return counts

    def end_delays(self) -> int:
        """Let the messages be delivered now that were put off, and return their number."""
        with closing(sqlite3.connect(self.data / "queue.db", timeout=10)) as connection, connection:
            statement = "UPDATE message SET visible_at = 0 WHERE holder IS NULL AND reason IS NULL AND visible_at > 0"
            return connection.execute(statement).rowcount

    def waiting(self) -> dict[str, int]:
        return count_queue_file(self.data / "queue.db")

    def messages(self) -> list[EmailMessage]:
        """Return the mails in the order in which this method first saw them."""
        for name, message in read_messages(self.data / "mail").items():
            self.seen_mails.setdefault(name, message)
        return list(self.seen_mails.values())

    def restart_ended(self) -> None:
        """Start the stack again if the supervisor has ended; it starts the others itself."""
        if not self.lock.acquire(blocking=False):
            return  # a fault has stopped it
        try:
            if self.up.has_ended:
                about = {"number": 0, "name": "ended by itself", "target": SUPERVISOR, "phase": "begin"}
                self.history.record("fault", **about, code=self.up.exit_code)
                self.start_again()
        finally:
            self.lock.release()

    def pid_of(self, target: str) -> int | None:
        """Return the process id of the supervisor, or of one of its children; None if it is not running."""
        if not self.up.is_running:
            return None
        if target == SUPERVISOR:
            return self.up.pid
        children = [one for one in living_processes().values() if one.parent == self.up.pid]
        return next((one.pid for one in children if any(name in one.command for name in COMMANDS[target])), None)

    def signal_group(self, pid: int, number: signal.Signals) -> None:
        """Send a signal to a process and to what it has started, if it still runs."""
        with suppress(ProcessLookupError):
            os.killpg(pid, number)

    def start_again(self) -> None:
        """Start the stack after the supervisor has ended, and its children with it."""
        self.up.kill()
        self.wait_for_children()
        self.up.start()

    def wait_for_children(self) -> None:
        """Wait until the children of a supervisor that was killed have ended."""
        wait_for(lambda: not self._children(), "the supervisor's children have ended", seconds=END_SECONDS)

    def _children(self) -> list[int]:
        """Return the processes that have this stack's data folder, whoever their parent is now."""
        names = [name for command in COMMANDS.values() for name in command]
        found = [one.pid for one in living_processes().values() if any(name in one.command for name in names)]
        return [pid for pid in found if _has_in_environment(pid, f"SOUNDLIFT_DATA={self.data}")]

    def _request(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> urllib3.BaseHTTPResponse:
        url = f"http://127.0.0.1:{self.port}{path}"
        return urllib3.request(method, url, headers=headers, retries=False, timeout=TIMEOUT_SECONDS)


def _has_in_environment(pid: int, entry: str) -> bool:
    try:
        return entry.encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


@contextmanager
def running_embedded(
    folder: Path,
    history: History,
    users: list[str],
    extra: Mapping[str, str],
) -> Iterator[EmbeddedSystem]:
    """Run an embedded stack in a folder, with accounts for users."""
    data, temporary = folder / "data", folder / "tmp"
    temporary.mkdir(parents=True)
    port = free_port()
    with Forwarder(port) as proxy, small_disk(data, DISK_MEGABYTES):
        settings = {"TMPDIR": str(temporary), "PUBLIC_URL": f"http://127.0.0.1:{proxy.port}", "DRAIN_SECONDS": "10"}
        up = Server(
            [sys.executable, "-m", "soundlift.cli", "up", "--port", str(port), "--data", str(data)],
            log=folder / "up.log",
            answers=lambda: urllib3.request("GET", f"http://127.0.0.1:{port}/healthz", retries=False).status == 200,
            environment={**settings, **UNLIMITED, **extra},
        )
        services = Services(Settings.from_environment({"SOUNDLIFT_DATA": str(data), "JWT_SECRET": SECRET}))
        system = EmbeddedSystem(up, port, proxy, services, history, data, temporary)
        try:
            up.start()
            add_accounts(services, users)
            yield system
        finally:
            system.stopping.set()
            up.kill()
            system.wait_for_children()
            services.database.engine.dispose()
