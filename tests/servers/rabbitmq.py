"""Runs a private RabbitMQ node."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pika
import pytest

from soundlift.common.broker.rabbitmq.topology import Topology, dead_name, delay_name
from tests.parts import free_port
from tests.servers.server import Server, absent

# Debian's `rabbitmq-server` on PATH is a wrapper that changes the user; this is the server itself.
PLACES = ("/usr/lib/rabbitmq/bin", os.environ.get("PATH", ""))
HOW_TO_INSTALL = "on Debian and Ubuntu, apt-get install rabbitmq-server"


@dataclass(frozen=True)
class RabbitMq:
    """Is a node without a queue; `server` can be killed and started again."""

    server: Server
    port: int

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}"

    def forget(self, topology: Topology) -> None:
        """Delete all that a topology declares."""
        with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
            channel = connection.channel()
            delays = [delay_name(delay) for delay in topology.delays]
            for queue in (*topology.queues, *map(dead_name, topology.queues), *delays):
                channel.queue_delete(queue)
            for exchange in ("soundlift.events", *delays):
                channel.exchange_delete(exchange)


@pytest.fixture(scope="session")
def rabbitmq_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMq]:
    """Return a node that all tests of this process share."""
    program = shutil.which("rabbitmq-server", path=os.pathsep.join(PLACES))
    if program is None or shutil.which("epmd") is None:
        absent("RabbitMQ", HOW_TO_INSTALL)
    folder = tmp_path_factory.mktemp("rabbitmq")
    port, epmd_port = free_port(), free_port()
    # Erlang would start this daemon itself, and leave it behind.
    epmd = Server(["epmd", "-port", str(epmd_port)], log=folder / "epmd.log", answers=lambda: True)
    node = Server(
        [program],
        log=folder / "server.log",
        answers=lambda: _answers(port),
        environment=_environment(folder, epmd_port),
    )
    _configure(folder, port)
    epmd.start()
    try:
        node.start(seconds=100)
        yield RabbitMq(node, port)
    finally:
        node.kill()
        epmd.kill()


def _configure(folder: Path, port: int, *more: str) -> None:
    lines = [f"listeners.tcp.1 = 127.0.0.1:{port}", "log.console = true", "log.file = false", *more]
    (folder / "rabbitmq.conf").write_text("".join(f"{line}\n" for line in lines))
    (folder / "plugins").write_text("[].\n")


def _environment(folder: Path, epmd_port: int) -> dict[str, str]:
    return {
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(epmd_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"soundlift-{epmd_port}@localhost",
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
    }


def _answers(port: int) -> bool:
    pika.BlockingConnection(pika.URLParameters(f"amqp://guest:guest@127.0.0.1:{port}")).close()
    return True
