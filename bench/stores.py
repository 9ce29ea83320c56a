"""Measures a media store against its bare driver, on the same server: python bench/media.py --url mongodb://HOST/."""

from __future__ import annotations

import argparse
import io
import os
import statistics
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from soundlift.common.media import MediaInfo, MediaStore, new_media_id, open_media

BLOCK = 256 * 1024
MEGABYTE = 2**20
INFO = MediaInfo("ada@example.org", "a.mp4", "video/mp4", "1" * 24)
Upload = Callable[[bytes], Any]
Download = Callable[[Any], int]
Delete = Callable[[Any], object]
Way = tuple[Upload, Download, Delete]


def main() -> None:
    """Print MB/s of uploads and downloads, ours and the driver's: medians, and the rounds' median ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="MEDIA_URL; something is written there, and deleted again")
    parser.add_argument("--megabytes", type=int, default=40, help="size of each file (default 40)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, each with both (default 5)")
    options = parser.parse_args()
    ways = {"ours": ours(open_media(options.url, "videos")), "driver": BASELINES[urlsplit(options.url).scheme](options)}
    content = os.urandom(options.megabytes * MEGABYTE)
    rounds = [measured(ways, content, turn) for turn in range(options.rounds)]
    print(f"{'':10}{'ours MB/s':>12}{'driver MB/s':>14}{'ratio':>8}")
    for step in ("upload", "download"):
        mine, bare = ([found[name, step] for found in rounds] for name in ("ours", "driver"))
        ratio = statistics.median(one / other for one, other in zip(mine, bare, strict=True))
        print(f"{step:10}{statistics.median(mine):12.1f}{statistics.median(bare):14.1f}{ratio:8.2f}")


def measured(ways: dict[str, Way], content: bytes, turn: int) -> dict[tuple[str, str], float]:
    """Return the MB/s of each way and step; every other round begins with the other way."""
    found = {}
    for name in sorted(ways, reverse=turn % 2 == 1):
        upload, download, delete = ways[name]
        begun = time.perf_counter()
        key = upload(content)
        stored = time.perf_counter()
        assert download(key) == len(content)
        read = time.perf_counter()
        delete(key)
        found[name, "upload"] = len(content) / MEGABYTE / (stored - begun)
        found[name, "download"] = len(content) / MEGABYTE / (read - stored)
    return found


def ours(store: MediaStore) -> Way:
    """Return what we do with a store, in blocks as the functions have them."""

    def upload(content: bytes) -> str:
        fid = new_media_id()
        writer = store.create(fid, INFO)
        for start in range(0, len(content), BLOCK):
            writer.write(content[start : start + BLOCK])
        writer.commit()
        return fid

    def download(fid: str) -> int:
        with store.open(fid).file as file:
            return sum(map(len, iter(lambda: file.read(BLOCK), b"")))

    return upload, download, store.delete


def pymongo_alone(options: argparse.Namespace) -> Way:
    """Return GridFS as PyMongo has it."""
    import gridfs
    import pymongo

    files = gridfs.GridFS(pymongo.MongoClient[dict[str, Any]](options.url, w="majority")["videos"])

    def upload(content: bytes) -> Any:
        with files.new_file() as file:
            for start in range(0, len(content), BLOCK):
                file.write(content[start : start + BLOCK])
        return file._id

    def download(key: Any) -> int:
        with files.get(key) as file:
            return sum(map(len, iter(lambda: file.read(BLOCK), b"")))

    return upload, download, files.delete


def boto3_alone(options: argparse.Namespace) -> Way:
    """Return S3 as boto3's own transfers have it: several parts at once, by threads."""
    from soundlift.common.media.s3 import read_address
    from soundlift.common.media.s3.server import client_of

    address = read_address(options.url)
    client = client_of(address)

    def upload(content: bytes) -> str:
        key = f"bench/{new_media_id()}"
        client.upload_fileobj(io.BytesIO(content), address.bucket, key)
        return key

    def download(key: str) -> int:
        body = client.get_object(Bucket=address.bucket, Key=key)["Body"]
        return sum(map(len, iter(lambda: body.read(BLOCK), b"")))

    return upload, download, lambda key: client.delete_object(Bucket=address.bucket, Key=key)


BASELINES: dict[str, Callable[[argparse.Namespace], Way]] = {
    "mongodb": pymongo_alone,
    "mongodb+srv": pymongo_alone,
    "s3": boto3_alone,
}


if __name__ == "__main__":
    main()
