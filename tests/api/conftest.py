"""Gives a client for each function, made as in production but for its services."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from soundlift.common.services import Services
from soundlift.common.web.application import Function


class Client(FlaskClient):
    """Reads each answer to its end and closes it, as a server does."""

    def open(self, *arguments: Any, **options: Any) -> TestResponse:
        return super().open(*arguments, buffered=True, **options)


Call = Callable[[str], FlaskClient]


@pytest.fixture
def function(services: Services) -> Call:
    """Return a client of a function by its name, with the services of this test."""

    def client_of(name: str) -> FlaskClient:
        app: Function = import_module(f"functions.{name}.handler").app
        app.services = services
        app.test_client_class = Client
        return app.test_client()

    return client_of
