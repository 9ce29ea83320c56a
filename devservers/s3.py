"""Runs a private S3 server: moto, which keeps everything in memory."""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devservers.ports import free_port
from devservers.server import Server

BUCKET = "soundlift"


@dataclass(frozen=True)
class S3:
    """A server with one bucket, whose contents are lost when the server ends."""

    port: int

    def url(self, *, port: int | None = None, bucket: str = BUCKET) -> str:
        """Return a bucket's URL, optionally through another port, such as a forwarder's."""
        return f"s3://access:se%2Fcret@{bucket}/some/prefix?endpoint=http://127.0.0.1:{port or self.port}"


@contextmanager
def running_s3(folder: Path) -> Iterator[S3]:
    """Run a server, with its log in a folder."""
    port = free_port()
    server = Server(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        log=folder / "server.log",
        answers=lambda: _make_bucket(port),
    )
    with server.running():
        yield S3(port)


def _make_bucket(port: int) -> bool:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/{BUCKET}", method="PUT")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return bool(answer.status == 200)
