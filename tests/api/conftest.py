"""Gives a client for each function, made as in production but for its services."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import pytest
from flask.testing import FlaskClient

from soundlift.common.runtime import Function
from soundlift.common.services import Services

Call = Callable[[str], FlaskClient]


@pytest.fixture
def function(services: Services) -> Call:
    """Return a client of a function by its name, with the services of this test."""

    def client_of(name: str) -> FlaskClient:
        app: Function = import_module(f"functions.{name}.handler").app
        app.services = services
        return app.test_client()

    return client_of
