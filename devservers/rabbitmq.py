"""Runs a private RabbitMQ node."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pika

from devservers.availability import is_usable
from devservers.certificates import Authority
from devservers.erlang import ErlangError, ErlangShell
from devservers.forwarder import Forwarder
from devservers.ports import free_port
from devservers.server import NotInstalled, Server
from devservers.waiting import wait_for
from soundlift.common.broker.rabbitmq import RabbitMqBroker
from soundlift.common.broker.rabbitmq.addresses import TlsFiles, read_addresses
from soundlift.common.broker.rabbitmq.topology import Topology, dead_name, delay_name

# Debian's `rabbitmq-server` on PATH is a wrapper that changes the user; the server itself is in the first folder.
SEARCH_PATH = ("/usr/lib/rabbitmq/bin", os.environ.get("PATH", ""))
# Asks the leader of each quorum queue, because `list_queues` lags by seconds. Discarded messages are being moved to
# another queue.
COUNT = """
[begin
  {ok, {_, #{num_messages := Here, num_discarded := Leaving, num_discard_checked_out := Left}}, _} =
    ra:leader_query(amqqueue:get_pid(Queue), fun rabbit_fifo:overview/1),
  {element(4, amqqueue:get_name(Queue)), Here + Leaving + Left}
end || Queue <- rabbit_amqqueue:list(<<"%s">>)].
"""
ADD_HOST = """
ok = rabbit_vhost:add(<<"%(name)s">>, <<"tests">>),
ok = rabbit_auth_backend_internal:set_permissions(
  <<"guest">>, <<"%(name)s">>, <<".*">>, <<".*">>, <<".*">>, <<"tests">>).
"""
COUNTED = re.compile(r'\{<<"([^"]+)">>,(\d+)\}')
CONFIRM_SECONDS = 30.0
HOW_TO_INSTALL = "on Debian and Ubuntu, apt-get install rabbitmq-server"


class NotPrivate(Exception):
    """An attempt to kill or reconfigure a node that this process did not start."""


@dataclass(frozen=True)
class OwnNode:
    """The controls of a node that this process started; `server` can be killed and started again."""

    server: Server
    tls_port: int
    authority: Authority
    control: Callable[..., str]
    shell: ErlangShell


@dataclass(frozen=True)
class RabbitMq:
    """A node without queues; `own` raises NotPrivate if this process did not start it."""

    port: int
    _own: OwnNode | None

    @property
    def own(self) -> OwnNode:
        if self._own is None:
            raise NotPrivate("TEST_RABBITMQ_URL names a node that this process did not start")
        return self._own

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}"

    @property
    def server(self) -> Server:
        return self.own.server

    @property
    def tls_port(self) -> int:
        return self.own.tls_port

    @property
    def authority(self) -> Authority:
        return self.own.authority

    def control(self, *arguments: str) -> str:
        """Run rabbitmqctl and return its output."""
        return self.own.control(*arguments)

    def new_virtual_host(self) -> str:
        """Create a virtual host and return its URL, for tests that do not delete their queues."""
        name = f"host-{secrets.token_hex(4)}"
        self.own.shell.evaluate(ADD_HOST % {"name": name})
        return f"{self.url}/{name}"

    def count(self, url: str) -> int:
        """Count the messages in all quorum queues at a URL: waiting, unacknowledged or being moved."""
        return sum(self.count_by_queue(url).values())

    def count_by_queue(self, url: str) -> dict[str, int]:
        """Count the messages in each quorum queue at a URL: waiting, unacknowledged or being moved."""
        virtual_host = urlsplit(url).path.removeprefix("/") or "/"
        counted = wait_for(partial(self._overview, virtual_host), "each queue has its current state")
        return {name: int(number) for name, number in COUNTED.findall(counted)}

    def _overview(self, virtual_host: str) -> str:
        """Return what COUNT does; an empty text while a queue that was just declared has the state of version 0.

        A queue's state begins as the oldest version, which `rabbit_fifo:overview/1` does not accept, and is converted
        when the queue has elected its leader.
        """
        try:
            return self.own.shell.evaluate(COUNT % virtual_host)
        except ErlangError as error:
            if "{badrecord,{cfg," not in str(error):
                raise
            return ""

    def delete(self, topology: Topology) -> None:
        """Delete everything that a topology declares."""
        with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
            channel = connection.channel()
            delays = [delay_name(delay) for delay in topology.delays]
            for queue in (*topology.queues, *map(dead_name, topology.queues), *delays):
                channel.queue_delete(queue)
            for exchange in ("soundlift.events", *delays):
                channel.exchange_delete(exchange)


@contextmanager
def running_rabbitmq(folder: Path) -> Iterator[RabbitMq]:
    """Run a node in a folder, or use the one that TEST_RABBITMQ_URL names.

    Its TLS port requires a client certificate.
    """
    if url := os.environ.get("TEST_RABBITMQ_URL"):
        yield RabbitMq(pika.URLParameters(url).port, None)
        return
    program = _find("rabbitmq-server")
    authority = Authority(folder)
    port, tls_port, epmd_port = free_port(), free_port(), free_port()
    environment = _environment(folder, epmd_port)
    _configure(folder, port, tls_port, authority)
    # Otherwise Erlang would start this daemon and leave it running.
    epmd = Server([_find("epmd"), "-port", str(epmd_port)], log=folder / "epmd.log", answers=lambda: True)
    node = Server([program], log=folder / "server.log", answers=lambda: _answers(port), environment=environment)

    def control(*arguments: str) -> str:
        command = [_find("rabbitmqctl"), *arguments]
        own = {**os.environ, **environment}
        return subprocess.run(command, env=own, check=True, stdout=subprocess.PIPE, text=True, timeout=60).stdout

    shell = ErlangShell(_find("erl"), environment["RABBITMQ_NODENAME"], {**os.environ, **environment})
    with epmd.running(), node.running(seconds=100):
        try:
            yield RabbitMq(port, OwnNode(node, tls_port, authority, control, shell))
        finally:
            shell.stop()


def url_through(forwarder: Forwarder, query: str = "") -> str:
    """Return the node's URL through a forwarder."""
    return f"amqp://guest:guest@127.0.0.1:{forwarder.port}/{query}"


def connect_broker(url: str, topology: Topology, *, prefetch: int = 4) -> RabbitMqBroker:
    """Return a connection whose queues are declared, with a long confirm time-out: tests keep a machine busy.

    On such a machine, the members of a new quorum queue may not elect a leader in time (`cluster_not_formed`). The
    broker then closes the connection, and the queue is declared again by the next one.
    """
    broker = RabbitMqBroker(
        read_addresses(url, TlsFiles()), topology, prefetch=prefetch, confirm_timeout=CONFIRM_SECONDS
    )
    wait_for(lambda: is_usable(broker), "the queues are declared")
    return broker


def _find(program: str) -> str:
    found = shutil.which(program, path=os.pathsep.join(SEARCH_PATH))
    if found is None:
        raise NotInstalled("RabbitMQ", HOW_TO_INSTALL)
    return found


def _configure(folder: Path, port: int, tls_port: int, authority: Authority) -> None:
    certificate, key = authority.issue()
    settings = {
        "listeners.tcp.1": f"127.0.0.1:{port}",
        "listeners.ssl.1": f"127.0.0.1:{tls_port}",
        "ssl_options.cacertfile": authority.ca_file,
        "ssl_options.certfile": certificate,
        "ssl_options.keyfile": key,
        "ssl_options.verify": "verify_peer",
        "ssl_options.fail_if_no_peer_cert": "true",
        "log.console": "true",
        "log.file": "false",
    }
    (folder / "rabbitmq.conf").write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
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
