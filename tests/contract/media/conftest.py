"""The media stores under test: one fixture for each adapter, and `medium` for all of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest
from botocore.client import BaseClient
from bson import ObjectId
from pymongo.collection import Collection

from devservers.forwarder import Forwarder
from devservers.mongodb import MongoDb, closing_client
from devservers.s3 import BUCKET, S3
from soundlift.common.media import MediaStore
from soundlift.common.media.s3 import read_address
from soundlift.common.media.s3.server import get_client
from tests.contract.media.medium import Medium

MEGABYTE = 2**20
ON_SERVERS = [pytest.param(kind, marks=pytest.mark.servers) for kind in ("gridfs", "s3")]


@pytest.fixture(params=["folder", *ON_SERVERS])
def medium(request: pytest.FixtureRequest) -> Medium:
    medium: Medium = request.getfixturevalue(f"{request.param}_medium")
    return medium


@pytest.fixture
def store(medium: Medium) -> MediaStore:
    return medium.open()


@pytest.fixture
def folder_medium(tmp_path: Path) -> Medium:
    root, away = tmp_path / "media", tmp_path / "away"
    root.mkdir()

    def cut_off() -> None:
        root.rename(away)
        root.write_text("a file in place of the folder")

    def restore() -> None:
        root.unlink()
        away.rename(root)

    return Medium(
        *(root.as_uri(), root.as_uri(), cut_off, restore, lambda: None, cut_off, 1024 * MEGABYTE),
        remains=lambda fid: sorted(root.rglob(f"*{fid}*")),
        steps=tuple((os, name) for name in ("fsync", "replace", "unlink")),
    )


@pytest.fixture
def gridfs_medium(mongodb_server: MongoDb) -> Iterator[Medium]:
    with Forwarder(mongodb_server.port) as forwarder:
        server = f"mongodb://127.0.0.1:{forwarder.port}/?directConnection=true"
        with (
            closing_client(f"{server}&socketTimeoutMS=60000") as url,
            closing_client(f"{server}&serverSelectionTimeoutMS=3000&socketTimeoutMS=3000") as short_timeout_url,
            pymongo.MongoClient[dict[str, Any]](mongodb_server.url) as other_client,
        ):

            def remains(fid: str) -> list[Any]:
                keys = {"fs.files": "_id", "fs.chunks": "files_id", "fs.begun": "_id"}
                tails = {"_id": {"$regex": f"^{fid}"}}
                found = {name: {key: ObjectId(fid)} for name, key in keys.items()} | {"fs.tails": tails}
                return [each for name, query in found.items() for each in other_client["videos"][name].find(query)]

            names = ("insert_one", "insert_many", "replace_one", "update_one", "delete_one", "delete_many")
            yield Medium(
                *(url, short_timeout_url, *_controls(forwarder), mongodb_server.largest_file),
                remains=remains,
                steps=tuple((Collection, name) for name in names),
            )
    mongodb_server.drop_files()


@pytest.fixture
def s3_medium(s3_server: S3) -> Iterator[Medium]:
    client = get_client(read_address(s3_server.url()))

    def remains(fid: str) -> list[Any]:
        prefix = {"Bucket": BUCKET, "Prefix": f"some/prefix/videos/{fid}"}
        committed, unfinished = client.list_objects_v2(**prefix), client.list_multipart_uploads(**prefix)
        return [*committed.get("Contents", []), *unfinished.get("Uploads", [])]

    with Forwarder(s3_server.port) as forwarder:
        url = s3_server.url(port=forwarder.port)
        yield Medium(
            *(f"{url}&timeout=60", f"{url}&timeout=5", *_controls(forwarder), 1024 * MEGABYTE),
            remains=remains,
            steps=((BaseClient, "_make_api_call"),),
        )


def _controls(forwarder: Forwarder) -> tuple[Callable[[], None], ...]:
    return forwarder.cut, forwarder.restore, forwarder.drop_connections, forwarder.hang
