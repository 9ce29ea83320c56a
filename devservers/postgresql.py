"""Runs a private PostgreSQL server."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from devservers.certificates import Authority
from devservers.ports import free_port
from devservers.server import NotInstalled, Server
from devservers.waiting import wait_for
from soundlift.common.db.migrations import migrate
from soundlift.common.db.tables import metadata

HOW_TO_INSTALL = "on Debian and Ubuntu, apt-get install postgresql"
DEBIAN = Path("/usr/lib/postgresql")  # a folder for each version, none of which is in PATH
ACCOUNTS = ("postgres", "nobody")  # the server refuses to run as root
ACCESS = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
_numbers = itertools.count()


@dataclass(frozen=True)
class PostgreSql:
    """A running PostgreSQL; `server` can be killed and started again."""

    server: Server
    port: int
    authority: Authority
    _emptied: list[str] = field(default_factory=list)

    def url(self, database: str, *, user: str = "postgres", password: str = "") -> str:
        """Return the URL of a database; no user but those that a test creates needs a password."""
        login = f"{user}:{password}" if password else user
        return f"postgresql://{login}@127.0.0.1:{self.port}/{database}"

    def execute(self, *statements: str, database: str = "postgres") -> None:
        """Execute statements over one connection, each text as a transaction."""
        with psycopg.connect(f"{self.url(database)}?sslmode=disable", autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def new_database(self) -> str:
        """Create a database without tables, and return its name."""
        name = f"soundlift_{next(_numbers)}"
        self.execute(f"CREATE DATABASE {name} STRATEGY FILE_COPY")
        return name

    def empty_database(self) -> str:
        """Return the name of a database with empty tables, which only one test at a time may use."""
        if not self._emptied:
            self._emptied.append(self.new_database())
            migrate(self.url(self._emptied[0]))
        tables = sorted(metadata.tables.keys() - {"upload_lock"})
        self.execute("; ".join(f'DELETE FROM "{table}"' for table in tables), database=self._emptied[0])
        return self._emptied[0]

    @contextmanager
    def tls(self) -> Iterator[None]:
        """Let the server offer TLS, with a certificate of the authority; otherwise it offers none, to save time."""
        self._set_tls("on")
        try:
            yield
        finally:
            self._set_tls("off")

    def _set_tls(self, value: str) -> None:
        self.execute(f"ALTER SYSTEM SET ssl = {value}", "SELECT pg_reload_conf()")
        wait_for(lambda: self.query("SHOW ssl") == value, f"ssl is {value}")

    def query(self, statement: str, *, database: str = "postgres") -> Any:
        """Return the first value of the first row of a query."""
        with psycopg.connect(f"{self.url(database)}?sslmode=disable", autocommit=True) as connection:
            row = connection.execute(statement.encode()).fetchone()
        return row[0] if row else None


class PostgreSqlServer(Server):
    """A PostgreSQL process; each of its children has a process group of its own."""

    def kill(self) -> None:
        """Kill all processes with SIGKILL: the next start fails while one of them is left."""
        children = _children_of(self.pid) if self.is_running else []
        super().kill()
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        wait_for(lambda: not any(map(_exists, children)), "all processes of PostgreSQL have ended")


@contextmanager
def running_postgresql() -> Iterator[PostgreSql]:
    """Run a server in a temporary folder; as root, run it as an unprivileged user.

    The folder is not below pytest's, which only its owner may enter.
    """
    initdb, program = program_of_postgresql("initdb"), program_of_postgresql("postgres")
    user = _user()
    identity: dict[str, Any] = {} if user is None else {"user": user[0], "group": user[1], "extra_groups": ()}
    with tempfile.TemporaryDirectory(prefix="soundlift-postgresql-", ignore_cleanup_errors=True) as path:
        folder = Path(path)
        authority = Authority(folder)
        certificate, key = authority.issue()
        key.chmod(0o600)
        if user is not None:
            for owned in (folder, key):
                os.chown(owned, *user)
        data, port = folder / "data", free_port()
        # Addresses and names are sorted as people do, to show that nothing depends on the order of bytes.
        locale = ["--encoding=UTF8", "--no-locale", "--locale-provider=icu", "--icu-locale=en-US"]
        subprocess.run(
            [initdb, f"--pgdata={data}", "--username=postgres", "--auth=trust", "--no-sync", *locale],
            check=True,
            capture_output=True,
            timeout=100,
            cwd=folder,
            **identity,
        )
        (data / "pg_hba.conf").write_text(ACCESS)
        server = PostgreSqlServer(
            [program, f"-D{data}", *_options(port, authority.ca_file, certificate, key)],
            log=folder / "server.log",
            answers=lambda: _answers(port),
            folder=folder,
            user=user,
        )
        with server.running():
            yield PostgreSql(server, port, authority)


def program_of_postgresql(name: str) -> str:
    """Return the path of a program; raises NotInstalled."""
    folders = sorted(DEBIAN.glob("*/bin"), key=lambda folder: int(folder.parent.name.split(".")[0]))
    path = os.pathsep.join((os.environ.get("PATH", ""), *map(str, reversed(folders))))
    if (program := shutil.which(name, path=path)) is None:
        raise NotInstalled("PostgreSQL", HOW_TO_INSTALL)
    return program


def _user() -> tuple[int, int] | None:
    """Return the ids of the user and group that run the server if this is root."""
    if os.geteuid() != 0:
        return None
    for name in ACCOUNTS:
        with suppress(KeyError):
            account = pwd.getpwnam(name)
            return account.pw_uid, account.pw_gid
    raise NotInstalled("A user that may run PostgreSQL", "root may not; add a user called postgres")


def _children_of(process: int) -> list[int]:
    listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], check=True, capture_output=True, text=True)
    pairs = (line.split() for line in listing.stdout.splitlines())
    return [int(child) for child, parent in pairs if int(parent) == process]


def _exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _options(port: int, ca: Path, certificate: Path, key: Path) -> list[str]:
    settings = {
        "port": str(port),
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "ssl_ca_file": str(ca),
        "ssl_cert_file": str(certificate),
        "ssl_key_file": str(key),
        "dynamic_shared_memory_type": "mmap",
        "shared_buffers": "16MB",
        "max_connections": "200",
        "fsync": "off",  # a commit outlives the process, not the machine
        "full_page_writes": "off",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "autovacuum": "off",
        "timezone": "Asia/Kolkata",  # our times must not depend on it
        "deadlock_timeout": "200ms",
    }
    return [f"--{name}={value}" for name, value in settings.items()]


def _answers(port: int) -> bool:
    psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres?sslmode=disable", connect_timeout=2).close()
    return True
