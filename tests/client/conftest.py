"""Clients, and the servers that answer them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from soundlift.client import Client, retries
from soundlift.common.services import Services
from tests.client.servers import Deployment, WrittenAnswers

EMAIL = "ada@example.org"


class Killed(BaseException):
    """The end of a process in the middle of an upload."""


@pytest.fixture
def deployment(services: Services) -> Iterator[Deployment]:
    with Deployment(services).running() as deployment:
        yield deployment


@pytest.fixture
def client(deployment: Deployment, services: Services) -> Client:
    """Return a client that has signed in."""
    return Client(deployment.url, token=services.tokens.sign_in(EMAIL, admin=False))


@pytest.fixture
def server() -> Iterator[WrittenAnswers]:
    with WrittenAnswers().running() as server:
        yield server


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the records of uploads, which belongs to this test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "soundlift" / "uploads"


class SteppingTime:
    """Time that advances by a second whenever it is read, and not in a pause."""

    def __init__(self) -> None:
        self._seconds = itertools.count()

    def monotonic(self) -> float:
        return next(self._seconds)

    def sleep(self, seconds: float) -> None:
        pass


@pytest.fixture
def _stepping_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the time for which clients retry depend only on how often they do."""
    monkeypatch.setattr(retries, "time", SteppingTime())


@pytest.fixture
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make clients retry without a pause."""
    monkeypatch.setattr(retries, "FIRST_PAUSE", 0)
