"""What several tests of functions start from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from devservers.s3 import S3
from soundlift.common.media import new_media_id
from soundlift.common.services import Services
from tests.api.direct_uploads import DirectClient, client_with, stored


@pytest.fixture
def s3_services(services: Services, s3_server: S3) -> Iterator[Services]:
    """Return services with a store in S3, which has nothing afterwards."""
    url = s3_server.url().replace("some/prefix", new_media_id())
    found = Services(replace(services.settings, media_url=url))
    yield found
    assert stored(found) == ([], []), "the test has left something in the bucket"


@pytest.fixture
def direct(s3_services: Services) -> DirectClient:
    return client_with(s3_services)
