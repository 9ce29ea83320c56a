"""An S3 store behind a forwarder, and a client of the same server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from devservers.forwarder import Forwarder
from devservers.s3 import S3
from soundlift.common.media import MediaStore, open_media
from soundlift.common.media.s3.address import read_address
from soundlift.common.media.s3.server import get_client


@pytest.fixture
def forwarder(s3_server: S3) -> Iterator[Forwarder]:
    with Forwarder(s3_server.port) as forwarder:
        yield forwarder


@pytest.fixture
def store(s3_server: S3, forwarder: Forwarder) -> MediaStore:
    return open_media(f"{s3_server.url(port=forwarder.port)}&timeout=60", "videos")


@pytest.fixture
def client(s3_server: S3) -> Any:
    return get_client(read_address(s3_server.url()))
