"""The databases of the contract suites."""

from __future__ import annotations

import pytest

SERVERS = [pytest.param(name, marks=pytest.mark.servers) for name in ("mariadb", "postgresql")]


@pytest.fixture(params=["sqlite", *SERVERS])
def database_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of an empty database of each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url
