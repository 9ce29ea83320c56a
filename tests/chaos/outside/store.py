"""The files of a media store, by the store's own listing rather than through Soundlift's adapters."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import boto3
import pymongo

from soundlift.common.media.s3.address import Address, read_address
from tests.chaos.outside.view import Stored

PART = ".part"
MEDIA_ID = re.compile(r"[0-9a-f]{24}")


def read_store(url: str, bucket: str) -> Stored:
    """Return the files of `videos` or `mp3s` in the store at a MEDIA_URL."""
    listings: dict[str, Callable[[str, str], Stored]] = {"file": _folder, "mongodb": _gridfs, "s3": _s3}
    return listings[urlsplit(url).scheme](url, bucket)


def _folder(url: str, bucket: str) -> Stored:
    folder = Path(url2pathname(urlsplit(url).path)) / bucket
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    files = {name for name in names if MEDIA_ID.fullmatch(name)}
    return Stored(frozenset(files), frozenset(names - files))


def _gridfs(url: str, bucket: str) -> Stored:
    with pymongo.MongoClient[dict[str, Any]](url) as client:
        database = client[bucket]
        files = {str(file["_id"]) for file in database.fs.files.find({}, {"_id": 1})}
        begun = {str(one["_id"]) for one in database.fs.begun.find({}, {"_id": 1})}
        chunks = {str(fid) for fid in database.fs.chunks.distinct("files_id")}
        tails = {one["_id"].partition("-")[0] for one in database.fs.tails.find({}, {"_id": 1})}
    return Stored(frozenset(files), frozenset((begun | chunks | tails) - files))


def _s3(url: str, bucket: str) -> Stored:
    address = read_address(url)
    prefix = "/".join(part for part in (address.prefix, bucket) if part) + "/"
    client = _s3_client(address)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=address.bucket, Prefix=prefix)
    keys = {file["Key"].removeprefix(prefix) for page in pages for file in page.get("Contents", [])}
    uploads = client.list_multipart_uploads(Bucket=address.bucket, Prefix=prefix).get("Uploads", [])
    unfinished = {upload["Key"].removeprefix(prefix) for upload in uploads}
    files = {key for key in keys if MEDIA_ID.fullmatch(key)}
    return Stored(frozenset(files), frozenset((keys - files) | unfinished))


def _s3_client(address: Address) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=address.endpoint,
        region_name=address.region or "us-east-1",
        aws_access_key_id=address.access_key,
        aws_secret_access_key=address.secret_key,
    )
