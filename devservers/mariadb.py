"""Runs a private MariaDB server."""

from __future__ import annotations

import getpass
import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pymysql

from devservers.certificates import Authority
from devservers.ports import free_port
from devservers.server import NotInstalled, Server
from soundlift.common.db.migrations import migrate
from soundlift.common.db.tables import metadata

HOW_TO_INSTALL = "on Debian and Ubuntu, apt-get install mariadb-server"
SEARCH_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin"))
_numbers = itertools.count()


@dataclass(frozen=True)
class MariaDb:
    """A running MariaDB; `server` can be killed and started again."""

    server: Server
    port: int
    authority: Authority
    _emptied: list[str] = field(default_factory=list)

    def url(self, database: str) -> str:
        return f"mysql://root@127.0.0.1:{self.port}/{database}"

    def execute(self, *statements: str) -> None:
        """Execute statements over one connection without TLS, for which the client would read all root certificates."""
        connect = partial(pymysql.connect, host="127.0.0.1", port=self.port, user="root")
        with connect(autocommit=True, ssl_disabled=True) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def new_database(self) -> str:
        """Create a database without tables, and return its name."""
        name = f"soundlift_{next(_numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return name

    def empty_database(self) -> str:
        """Return the name of a database with empty tables, which only one test at a time may use."""
        if not self._emptied:
            self._emptied.append(self.new_database())
            migrate(self.url(self._emptied[0]))
        self.execute(*(f"DELETE FROM {self._emptied[0]}.{table}" for table in metadata.tables.keys() - {"upload_lock"}))
        return self._emptied[0]


@contextmanager
def running_mariadb(
    folder: Path, *, extra_options: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> Iterator[MariaDb]:
    """Run a server in a folder, with and without TLS."""
    install, program = (shutil.which(name, path=SEARCH_PATH) for name in ("mariadb-install-db", "mariadbd"))
    if install is None or program is None:
        raise NotInstalled("MariaDB", HOW_TO_INSTALL)
    port, authority = free_port(), Authority(folder)
    user = f"--user={getpass.getuser()}"
    options = ["--no-defaults", user, f"--datadir={folder / 'data'}"]
    subprocess.run(
        [install, *options, "--auth-root-authentication-method=normal", "--skip-test-db"],
        check=True,
        capture_output=True,
        timeout=100,
    )
    server = Server(
        [program, *options, *_options(folder, port, authority), *extra_options],
        log=folder / "server.log",
        answers=lambda: _answers(port),
        environment=environment,
    )
    with server.running():
        yield MariaDb(server, port, authority)


def _options(folder: Path, port: int, authority: Authority) -> list[str]:
    certificate, key = authority.issue()
    return [
        f"--port={port}",
        "--bind-address=127.0.0.1",
        f"--socket={folder / 's'}",
        f"--pid-file={folder / 'pid'}",
        f"--ssl-ca={authority.ca_file}",
        f"--ssl-cert={certificate}",
        f"--ssl-key={key}",
        "--innodb-buffer-pool-size=16M",
        "--innodb-log-file-size=8M",
        "--innodb-flush-log-at-trx-commit=2",  # a commit outlives the process; that of the machine takes an fsync
        "--skip-name-resolve",
        "--default-time-zone=+05:30",  # our times must not depend on it
    ]


def _answers(port: int) -> bool:
    pymysql.connect(host="127.0.0.1", port=port, user="root", connect_timeout=2).close()
    return True
