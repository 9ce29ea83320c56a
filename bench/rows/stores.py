"""Measures the adapters of stores on servers against their drivers, on the same server."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench.baselines.drivers import SCRATCH, Store, blocks_of, boto3_alone, length_of, pymongo_alone
from bench.harness import servers
from bench.harness.comparison import Goal, Result, Row, Sample, Way, compare
from soundlift.common.media import MediaInfo, new_media_id, open_media

GRIDFS_BYTES = 40 * 2**20  # FerretDB looks at every chunk it holds
S3_BYTES = 100 * 2**20
INFO = MediaInfo("ada@example.org", "a.mp4", "video/mp4", "1" * 24)


@dataclass(frozen=True)
class Kind:
    """A kind of store: its server, its driver by itself, and the size of the file to transfer."""

    server: Callable[[], AbstractContextManager[str]]
    driver: Callable[[str], Store]
    size: int


def upload(row: Row, kind: Kind) -> Result:
    """Compare storing a file."""
    content = os.urandom(kind.size)
    with kind.server() as url:
        return compare(row, _uploading(ours(url), content), _uploading(kind.driver(url), content))


def download(row: Row, kind: Kind) -> Result:
    """Compare reading a file."""
    content = os.urandom(kind.size)
    with kind.server() as url, _stored(ours(url), content) as mine, _stored(kind.driver(url), content) as theirs:
        return compare(row, mine, theirs)


def _uploading(store: Store, content: bytes) -> Way:
    write, _, delete = store

    def way() -> Sample:
        seconds, key = _timed(partial(write, content))
        delete(key)
        return Sample(len(content) / 1e6 / seconds)

    return way


@contextmanager
def _stored(store: Store, content: bytes) -> Iterator[Way]:
    """Store a file, and yield a way that reads it."""
    write, read, delete = store
    key = write(content)

    def way() -> Sample:
        seconds, length = _timed(partial(read, key))
        assert length == len(content)
        return Sample(length / 1e6 / seconds)

    yield way
    delete(key)


def _timed(task: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = task()
    return time.perf_counter() - began, result


def ours(url: str) -> Store:
    """Return our adapter of a store, used in blocks as the functions use it."""
    store = open_media(url, SCRATCH)

    def write(content: bytes) -> str:
        fid = new_media_id()
        writer = store.create(fid, INFO)
        for block in blocks_of(content):
            writer.write(block)
        writer.commit()
        return fid

    def read(fid: str) -> int:
        with store.open(fid).file as file:
            return length_of(file.read)

    return write, read, store.delete


KINDS = {
    "gridfs": Kind(servers.mongodb, pymongo_alone, GRIDFS_BYTES),
    "s3": Kind(servers.s3, boto3_alone, S3_BYTES),
}
ROWS: dict[Row, Callable[[Row], Result]] = {
    Row(f"{step.__name__}-{name}", "MB/s", Goal(0.85, at_least=True), rounds=9): partial(step, kind=kind)
    for name, kind in KINDS.items()
    for step in (upload, download)
}
