"""The stores' drivers by themselves: GridFS of PyMongo, and boto3."""

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


def blocks_of(content: bytes) -> Iterator[bytes]:
    """Yield content in blocks of the size that functions write."""
    return (content[start : start + BLOCK] for start in range(0, len(content), BLOCK))


def length_of(read: Callable[[int], bytes]) -> int:
    """Read to the end, and return the number of bytes."""
    return sum(map(len, iter(lambda: read(BLOCK), b"")))


def pymongo_alone(url: str) -> Store:
    """Return PyMongo's GridFS."""
    import gridfs
    import pymongo

    files = gridfs.GridFS(pymongo.MongoClient[dict[str, Any]](url, w="majority")[SCRATCH])

    def write(content: bytes) -> Any:
        with files.new_file() as file:
            for block in blocks_of(content):
                file.write(block)
        return file._id

    def read(key: Any) -> int:
        with files.get(key) as file:
            return length_of(file.read)

    return write, read, files.delete


def boto3_alone(url: str) -> Store:
    """Return boto3's own transfers, which send several parts at once from threads."""
    from soundlift.common.media.s3 import read_address
    from soundlift.common.media.s3.server import get_client

    address = read_address(url)
    client = get_client(address)

    def write(content: bytes) -> str:
        key = f"bench/{new_media_id()}"
        client.upload_fileobj(io.BytesIO(content), address.bucket, key)
        return key

    def read(key: str) -> int:
        return length_of(client.get_object(Bucket=address.bucket, Key=key)["Body"].read)

    return write, read, lambda key: client.delete_object(Bucket=address.bucket, Key=key)
