"""Two deployments that differ in how much they hold, for the rows that show how operations grow with it.

Both are kept until the process ends, since filling the larger one takes a minute.
"""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from http.client import HTTPConnection
from urllib.parse import urlsplit

from bench.harness import servers
from bench.harness.deployment import SECRET
from bench.harness.processes import Gunicorn, served
from bench.inputs.populations import FEW, MANY, Population, fill
from bench.inputs.waiting_events import set_waiting
from soundlift.common.db.engine import open_database
from soundlift.common.db.migrations import migrate
from soundlift.common.process.temporary_folders import temporary_folder
from soundlift.common.services import Services
from soundlift.common.settings import Settings

PASSWORD = "a password of the bench"
STATEMENT_TIMEOUT_SECONDS = 600  # building an index on the larger table
TIMEOUT_SECONDS = 120
MAX_IDLE_SECONDS = 0.5
# One user sends every upload, and signs in again and again. The cheapest hash: the database is what may grow.
SETTINGS = {
    "MAX_JOBS_IN_FLIGHT": "0",
    "MAX_STORED_BYTES": "0",
    "MAX_WAITING_JOBS": "0",
    "PASSWORD_MEMORY_KIB": "7168",
    "PASSWORD_PASSES": "1",
    "JWT_SECRET": SECRET,
    "LOG_LEVEL": "error",
}

_open = ExitStack()
atexit.register(_open.close)


@dataclass
class Populated:
    """A deployment with its population, and the functions of it that are running."""

    population: Population
    environment: Mapping[str, str]
    services: Services
    _functions: dict[str, Gunicorn] = field(default_factory=dict)
    _connections: dict[str, HTTPConnection] = field(default_factory=dict)
    _used_at: dict[str, float] = field(default_factory=dict)

    def token(self, username: str, *, admin: bool = False) -> dict[str, str]:
        """Return the headers that sign a user in."""
        return {"Authorization": f"Bearer {self.services.tokens.sign_in(username, admin=admin)}"}

    def function(self, name: str) -> Gunicorn:
        """Return a running function, started at its first use."""
        if name not in self._functions:
            server = served(f"functions.{name}.handler:app", self.environment)
            self._functions[name] = _open.enter_context(server)
        return self._functions[name]

    def request(
        self, function: str, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> tuple[float, bytes]:
        """Send a request over a connection that is kept; return the seconds to its response, and the body."""
        connection = self._connection(function)
        began = time.perf_counter()
        connection.request(method, path, body=body, headers=dict(headers))
        answer = connection.getresponse()
        data = answer.read()
        seconds = time.perf_counter() - began
        self._used_at[function] = time.monotonic()
        assert answer.status < 300, (answer.status, data)
        return seconds, data

    def _connection(self, function: str) -> HTTPConnection:
        """Return the connection to a function; one that was idle for long is replaced, before the server closes it."""
        if function not in self._connections:
            address = urlsplit(self.function(function).url)
            connection = HTTPConnection(str(address.hostname), address.port, timeout=TIMEOUT_SECONDS)
            self._connections[function] = connection
        connection = self._connections[function]
        if time.monotonic() - self._used_at.get(function, 0) > MAX_IDLE_SECONDS:
            connection.close()
            connection.connect()
        return connection


@cache
def populated(servers_of: str) -> tuple[Populated, Populated]:
    """Return a deployment with many rows and one with few: over SQLite files, or over MariaDB and RabbitMQ."""
    many, few = (_populated(servers_of, population) for population in (MANY, FEW))
    return many, few


def _populated(servers_of: str, population: Population) -> Populated:
    folder = _open.enter_context(temporary_folder("bench"))
    urls = {"DATABASE_URL": f"sqlite:///{folder}/jobs.db", "BROKER_URL": f"sqlite:///{folder}/queue.db"}
    if servers_of == "mariadb":
        urls = {
            "DATABASE_URL": _open.enter_context(servers.mariadb()),
            "BROKER_URL": _open.enter_context(servers.rabbitmq()),
        }
    environment = {"SOUNDLIFT_DATA": str(folder), **SETTINGS, **urls}
    services = Services(Settings.from_environment(environment))
    migrate(urls["DATABASE_URL"])
    large = open_database(urls["DATABASE_URL"], seconds=STATEMENT_TIMEOUT_SECONDS)
    fill(large, population, services.passwords.hash(PASSWORD))
    large.engine.dispose()
    services.broker.check()
    set_waiting(urls["BROKER_URL"], population.events)
    os.sync()  # otherwise the first operations wait for the disk, which still writes all these rows
    return Populated(population, environment, services)
