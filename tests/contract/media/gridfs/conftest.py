"""A GridFS store, and its database as another program opens it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pymongo
import pytest
from pymongo.database import Database

from devservers.mongodb import MongoDb
from soundlift.common.media import MediaStore
from tests.contract.media.medium import Medium


@pytest.fixture
def store(gridfs_medium: Medium) -> MediaStore:
    return gridfs_medium.open()


@pytest.fixture
def database(mongodb_server: MongoDb) -> Iterator[Database[dict[str, Any]]]:
    """Return the database of the videos, opened like another program does."""
    with pymongo.MongoClient[dict[str, Any]](mongodb_server.url) as client:
        yield client["videos"]
