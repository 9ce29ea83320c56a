"""The store drivers without our adapters: PyMongo's GridFS and boto3."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

from soundlift.common.media import new_media_id

BLOCK = 2**18
SCRATCH = "videos"

Upload = Callable[[bytes], Any]
Download = Callable[[Any], int]
Delete = Callable[[Any], object]
Store = tuple[Upload, Download, Delete]


def split_blocks(content: bytes) -> Iterator[bytes]:
    """Yield content in blocks of the size that the functions write."""
    return (content[start : start + BLOCK] for start in range(0, len(content), BLOCK))


def count_bytes(read: Callable[[int], bytes]) -> int:
    """Read to the end and return the number of bytes."""
    return sum(map(len, iter(lambda: read(BLOCK), b"")))


def pymongo_store(url: str) -> Store:
    """Return the operations of PyMongo's GridFS."""
    import gridfs
    import pymongo

    files = gridfs.GridFS(pymongo.MongoClient[dict[str, Any]](url, w="majority")[SCRATCH])

    def write(content: bytes) -> Any:
        with files.new_file() as file:
            for block in split_blocks(content):
                file.write(block)
        return file._id

    def read(key: Any) -> int:
        with files.get(key) as file:
            return count_bytes(file.read)

    return write, read, files.delete


def boto3_store(url: str) -> Store:
    """Return the operations of boto3's own transfers, which send several parts concurrently."""
    from soundlift.common.media.s3 import read_address
    from soundlift.common.media.s3.server import client_of

    address = read_address(url)
    client = client_of(address)

    def write(content: bytes) -> str:
        key = f"bench/{new_media_id()}"
        client.upload_fileobj(io.BytesIO(content), address.bucket, key)
        return key

    def read(key: str) -> int:
        return count_bytes(client.get_object(Bucket=address.bucket, Key=key)["Body"].read)

    return write, read, lambda key: client.delete_object(Bucket=address.bucket, Key=key)
