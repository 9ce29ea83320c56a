"""Gives the contract suites one adapter after another."""

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
from soundlift.common.media.s3 import read_address
from soundlift.common.media.s3.server import client_of
from tests.contract.medium import Medium

MEGABYTE = 2**20


@pytest.fixture
def folder_medium(tmp_path: Path) -> Medium:
    root, away = tmp_path / "media", tmp_path / "away"
    root.mkdir()

    def go_away() -> None:
        root.rename(away)
        root.write_text("a file where the folder should be")

    def come_back() -> None:
        root.unlink()
        away.rename(root)

    return Medium(
        *(root.as_uri(), go_away, come_back, lambda: None, go_away, 1024 * MEGABYTE),
        patient_url=root.as_uri(),
        remains=lambda fid: sorted(root.rglob(f"*{fid}*")),
        steps=tuple((os, name) for name in ("fsync", "replace", "unlink")),
    )


@pytest.fixture
def gridfs_medium(mongodb_server: MongoDb) -> Iterator[Medium]:
    with Forwarder(mongodb_server.port) as forwarder:
        options = "directConnection=true&serverSelectionTimeoutMS=1000&socketTimeoutMS=3000"
        with (
            closing_client(f"mongodb://127.0.0.1:{forwarder.port}/?{options}") as url,
            pymongo.MongoClient[dict[str, Any]](mongodb_server.url) as other,
        ):

            def remains(fid: str) -> list[Any]:
                keys = {"fs.files": "_id", "fs.chunks": "files_id", "fs.begun": "_id"}
                return [each for name, key in keys.items() for each in other["videos"][name].find({key: ObjectId(fid)})]

            names = ("insert_one", "insert_many", "replace_one", "delete_one", "delete_many")
            yield Medium(
                *(url, *_troubles_of(forwarder), mongodb_server.largest_file),
                patient_url=url,
                remains=remains,
                steps=tuple((Collection, name) for name in names),
            )
    mongodb_server.drop_files()


@pytest.fixture
def s3_medium(s3_server: S3) -> Iterator[Medium]:
    client = client_of(read_address(s3_server.url()))

    def remains(fid: str) -> list[Any]:
        prefix = {"Bucket": BUCKET, "Prefix": f"some/prefix/videos/{fid}"}
        whole, unfinished = client.list_objects_v2(**prefix), client.list_multipart_uploads(**prefix)
        return [*whole.get("Contents", []), *unfinished.get("Uploads", [])]

    with Forwarder(s3_server.port) as forwarder:
        url = s3_server.url(port=forwarder.port)
        yield Medium(
            *(f"{url}&timeout=5", *_troubles_of(forwarder), 1024 * MEGABYTE),
            patient_url=f"{url}&timeout=60",
            remains=remains,
            steps=((BaseClient, "_make_api_call"),),
        )


def _troubles_of(forwarder: Forwarder) -> tuple[Callable[[], None], ...]:
    return forwarder.cut, forwarder.restore, forwarder.drop_connections, forwarder.hang


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.servers)])
def database_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of an empty database of each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url
