"""Measures the stores on servers against their bare drivers, on the same server."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench import servers
from bench.comparison import Goal, Result, Row, Sample, Way, compare
from soundlift.common.media import MediaInfo, new_media_id, open_media

BLOCK = 2**18
GRIDFS_BYTES = 40 * 2**20  # the stand-in for MongoDB that tests have looks at every chunk it holds
S3_BYTES = 100 * 2**20
INFO = MediaInfo("ada@example.org", "a.mp4", "video/mp4", "1" * 24)
SCRATCH = "videos"

Upload = Callable[[bytes], Any]
Download = Callable[[Any], int]
Delete = Callable[[Any], object]
Store = tuple[Upload, Download, Delete]


@dataclass(frozen=True)
class Kind:
    """Is a kind of store: its server, what its driver does alone, and the size of a file for it."""

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
    """Store a file, and yield the way to read it."""
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


def _blocks(content: bytes) -> Iterator[bytes]:
    return (content[start : start + BLOCK] for start in range(0, len(content), BLOCK))


def _length(read: Callable[[int], bytes]) -> int:
    return sum(map(len, iter(lambda: read(BLOCK), b"")))


def ours(url: str) -> Store:
    """Return what we do with a store, in blocks as the functions have them."""
    store = open_media(url, SCRATCH)

    def write(content: bytes) -> str:
        fid = new_media_id()
        writer = store.create(fid, INFO)
        for block in _blocks(content):
            writer.write(block)
        writer.commit()
        return fid

    def read(fid: str) -> int:
        with store.open(fid).file as file:
            return _length(file.read)

    return write, read, store.delete


def pymongo_alone(url: str) -> Store:
    """Return GridFS as PyMongo has it."""
    import gridfs
    import pymongo

    files = gridfs.GridFS(pymongo.MongoClient[dict[str, Any]](url, w="majority")[SCRATCH])

    def write(content: bytes) -> Any:
        with files.new_file() as file:
            for block in _blocks(content):
                file.write(block)
        return file._id

    def read(key: Any) -> int:
        with files.get(key) as file:
            return _length(file.read)

    return write, read, files.delete


def boto3_alone(url: str) -> Store:
    """Return S3 as boto3's own transfers have it: several parts at once, by threads."""
    from soundlift.common.media.s3 import read_address
    from soundlift.common.media.s3.server import client_of

    address = read_address(url)
    client = client_of(address)

    def write(content: bytes) -> str:
        key = f"bench/{new_media_id()}"
        client.upload_fileobj(io.BytesIO(content), address.bucket, key)
        return key

    def read(key: str) -> int:
        return _length(client.get_object(Bucket=address.bucket, Key=key)["Body"].read)

    return write, read, lambda key: client.delete_object(Bucket=address.bucket, Key=key)


KINDS = {
    "gridfs": Kind(servers.mongodb, pymongo_alone, GRIDFS_BYTES),
    "s3": Kind(servers.s3, boto3_alone, S3_BYTES),
}
ROWS: dict[Row, Callable[[Row], Result]] = {
    Row(f"{step.__name__}-{name}", "MB/s", Goal(0.85, at_least=True), rounds=9): partial(step, kind=kind)
    for name, kind in KINDS.items()
    for step in (upload, download)
}
