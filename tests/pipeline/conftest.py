"""Runs everything as `soundlift up` does, with an account to use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

import pytest

from soundlift.client import Client
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.conftest import PASSWORD, SECRET
from tests.local.conftest import start
from tests.local.running import Stack
from tests.parts import wait_for

__all__ = ["start"]
EMAIL = "ada@example.org"


@pytest.fixture(scope="module")
def stack(start: Callable[..., Stack], password_hash: str) -> Iterator[Stack]:
    """Return a running stack that has one user."""
    running = start()
    services = Services(Settings.from_environment({"SOUNDLIFT_DATA": str(running.data), "JWT_SECRET": SECRET}))
    services.users.add(EMAIL, password_hash)
    yield running
    services.database.engine.dispose()


@pytest.fixture
def client(stack: Stack) -> Client:
    return Client(stack.url, email=EMAIL, password=PASSWORD)


def mails_of(stack: Stack, job_id: str) -> list[EmailMessage]:
    """Return the mails that were caught about a job."""
    contents = [path.read_bytes() for path in Path(stack.data / "mail" / "new").glob("*")]
    parsed = [BytesParser(EmailMessage, policy=policy.default).parsebytes(content) for content in contents]
    return [mail for mail in parsed if job_id in mail["Message-ID"]]


def mail_of(stack: Stack, job_id: str) -> EmailMessage:
    """Return the mail about a job, as soon as it has come."""
    return wait_for(lambda: mails_of(stack, job_id), "the mail has come")[0]
