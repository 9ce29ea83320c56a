"""Runs a private MongoDB server: mongod if it is installed, FerretDB otherwise."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymongo

from devservers.ports import free_port
from devservers.server import NotInstalled, Server
from soundlift.common.media.gridfs.server import close_client

FERRETDB = Path(__file__).parents[1] / "build" / "ferretdb"
HOW_TO_INSTALL = "put mongod on PATH, set TEST_MONGODB_URL, or install Go for `make test` to build FerretDB"
MEGABYTE = 2**20


@dataclass(frozen=True)
class MongoDb:
    """A server on a loopback port.

    FerretDB scans the chunks of all files for every query, so tests store at most `largest_file` bytes in a file.
    `server` can be killed and started again; it is None if this process did not start it.
    """

    port: int
    largest_file: int
    server: Server | None

    @property
    def url(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/"

    @property
    def url_for_stacks(self) -> str:
        """Return the URL for a stack, which shares two processors with the server.

        The driver's monitor cancels all operations of its process after two connectTimeoutMS without a reply, which
        a busy machine can cause.
        """
        return f"{self.url}?connectTimeoutMS=20000&serverSelectionTimeoutMS=20000&socketTimeoutMS=60000"

    def drop_files(self) -> None:
        """Drop the files that a test left, which would slow FerretDB down; do nothing to a server started elsewhere."""
        if self.server is not None:
            with pymongo.MongoClient[dict[str, Any]](self.url) as client:
                for name in ("videos", "mp3s"):
                    client.drop_database(name)


@contextmanager
def running_mongodb(folder: Path) -> Iterator[MongoDb]:
    """Run a server in a folder, or use the one that TEST_MONGODB_URL names."""
    if url := os.environ.get("TEST_MONGODB_URL"):
        yield MongoDb(pymongo.uri_parser.parse_uri(url)["nodelist"][0][1], 1024 * MEGABYTE, None)
        return
    port = free_port()
    mongod = shutil.which("mongod")
    if mongod:
        arguments = [mongod, "--dbpath", str(folder), "--bind_ip", "127.0.0.1", "--port", str(port)]
    elif FERRETDB.exists():
        arguments = [str(FERRETDB), "-listen", f"127.0.0.1:{port}", "-folder", str(folder)]
    else:
        raise NotInstalled("MongoDB", HOW_TO_INSTALL)
    url = f"mongodb://127.0.0.1:{port}/"
    server = Server(arguments, log=folder / "server.log", answers=lambda: _answers(url))
    with server.running():
        yield MongoDb(port, (1024 if mongod else 48) * MEGABYTE, server)


@contextmanager
def closing_client(url: str) -> Iterator[str]:
    """Yield a store's URL, then close the client that all stores in this process share."""
    yield url
    close_client(url, os.getpid())


def _answers(url: str) -> bool:
    with pymongo.MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=1000) as client:
        return bool(client.admin.command("ping")["ok"])
