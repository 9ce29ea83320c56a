"""The functions, the connector and all servers as processes, and how much processor time each of them takes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.harness import servers
from bench.harness.clients import send_raw
from bench.harness.deployment import OWNER, SECRET, Deployment
from bench.harness.processes import children, running, served
from devservers.mail_server import MailServer
from soundlift.common.db.migrations import migrate
from soundlift.common.process.temporary_folders import temporary_folder
from soundlift.common.services import Services

TICKS = os.sysconf("SC_CLK_TCK")
SERVERS = {"mariadbd": "mariadb", "beam.smp": "rabbitmq", "erl": "rabbitmq", "rabbitmq-server": "rabbitmq"}
NO_QUOTA = {"MAX_JOBS_IN_FLIGHT": "0", "MAX_STORED_BYTES": "0", "MAX_WAITING_JOBS": "0"}


@dataclass(frozen=True)
class Pipeline:
    """The running processes: functions by name, with the pids of their parents, and what the bench needs of them."""

    deployment: Deployment
    urls: Mapping[str, str]
    pids: Mapping[str, int]
    mail: MailServer

    @property
    def services(self) -> Services:
        """Return the services of this process."""
        return self.deployment.services

    def upload(self, video: Path) -> None:
        """Upload a video as its owner."""
        token = self.services.tokens.sign_in(OWNER, admin=False)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "video/mp4"}
        send_raw(self.urls["upload"], video, headers)

    def processor_seconds(self) -> dict[str, float]:
        """Return the processor time of each function and server so far, that of its children included."""
        found = {name: tree_seconds(pid) for name, pid in self.pids.items()}
        for pid in children(os.getpid()):
            if name := SERVERS.get(_command(pid)):
                found[name] = found.get(name, 0.0) + tree_seconds(pid)
        return found


@contextmanager
def pipeline(*, slots: int, deliveries: int) -> Iterator[Pipeline]:
    """Run one pod of each function, convert with a number of slots, and one connector."""
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_folder("bench"))
        mail = stack.enter_context(MailServer())
        environment = {
            "SOUNDLIFT_DATA": str(folder),
            "DATABASE_URL": stack.enter_context(servers.mariadb()),
            "BROKER_URL": stack.enter_context(servers.rabbitmq()),
            "SMTP_URL": mail.url,
            "JWT_SECRET": SECRET,
            "CONVERT_CONCURRENCY": str(slots),
            "CONNECTOR_CONCURRENCY": str(deliveries),
            "LOG_LEVEL": "error",
            **NO_QUOTA,
        }
        migrate(environment["DATABASE_URL"])
        functions = {
            name: stack.enter_context(served(f"functions.{name}.handler:app", environment))
            for name in ("upload", "convert", "notify", "webhook")
        }
        urls, pids = ({name: getattr(each, key) for name, each in functions.items()} for key in ("url", "pid"))
        subscribers = {"SUBSCRIBERS": f"video={urls['convert']},mp3={urls['notify']},webhook={urls['webhook']}"}
        program = [sys.executable, "-m", "soundlift.connector"]
        pids["connector"] = stack.enter_context(running(program, environment | subscribers)).pid
        yield Pipeline(Deployment(folder, environment), urls, pids, mail)


def tree_seconds(pid: int) -> float:
    """Return the processor time of a process, its descendants, and those of them that have ended (Linux)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        below = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:  # it has just ended
        return 0.0
    return sum(map(int, fields[11:15])) / TICKS + sum(map(tree_seconds, below))


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()
