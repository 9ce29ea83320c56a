"""Measures the media store adapters against their drivers, on the same server."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench.baselines.drivers import SCRATCH, Store, boto3_store, count_bytes, pymongo_store, split_blocks
from bench.harness import servers
from bench.harness.comparison import Goal, Result, Row, Run, Sample, compare
from soundlift.common.media import MediaInfo, new_media_id, open_media

GRIDFS_BYTES = 40 * 2**20  # FerretDB scans all of its chunks
S3_BYTES = 100 * 2**20
INFO = MediaInfo("ada@example.org", "a.mp4", "video/mp4", "1" * 24)


@dataclass(frozen=True)
class Kind:
    """A kind of store: its server, its driver, and the size of the file to transfer."""

    server: Callable[[], AbstractContextManager[str]]
    driver: Callable[[str], Store]
    size: int


def upload(row: Row, kind: Kind) -> Result:
    """Compare the rates of storing a file."""
    content = os.urandom(kind.size)
    with kind.server() as url:
        return compare(row, _upload_run(ours(url), content), _upload_run(kind.driver(url), content))


def download(row: Row, kind: Kind) -> Result:
    """Compare the rates of reading a file."""
    content = os.urandom(kind.size)
    with kind.server() as url, _stored(ours(url), content) as mine, _stored(kind.driver(url), content) as theirs:
        return compare(row, mine, theirs)


def _upload_run(store: Store, content: bytes) -> Run:
    write, _, delete = store

    def run() -> Sample:
        seconds, key = _time(partial(write, content))
        delete(key)
        return Sample(len(content) / 1e6 / seconds)

    return run


@contextmanager
def _stored(store: Store, content: bytes) -> Iterator[Run]:
    """Store a file, and yield a run that reads it."""
    write, read, delete = store
    key = write(content)

    def run() -> Sample:
        seconds, length = _time(partial(read, key))
        assert length == len(content)
        return Sample(length / 1e6 / seconds)

    yield run
    delete(key)


def _time(task: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = task()
    return time.perf_counter() - began, result


def ours(url: str) -> Store:
    """Return the operations of our adapter, in blocks of the size that the functions use."""
    store = open_media(url, SCRATCH)

    def write(content: bytes) -> str:
        fid = new_media_id()
        writer = store.create(fid, INFO)
        for block in split_blocks(content):
            writer.write(block)
        writer.commit()
        return fid

    def read(fid: str) -> int:
        with store.open(fid).file as file:
            return count_bytes(file.read)

    return write, read, store.delete


KINDS = {
    "gridfs": Kind(servers.mongodb, pymongo_store, GRIDFS_BYTES),
    "s3": Kind(servers.s3, boto3_store, S3_BYTES),
}
ROWS: dict[Row, Callable[[Row], Result]] = {
    Row(f"{step.__name__}-{name}", "MB/s", Goal(0.85, at_least=True), rounds=9): partial(step, kind=kind)
    for name, kind in KINDS.items()
    for step in (upload, download)
}
