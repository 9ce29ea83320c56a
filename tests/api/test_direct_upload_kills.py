"""A process that handles a direct upload is killed after each of its steps; the next request or cleanup goes on."""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from botocore.client import BaseClient

from devservers.s3 import S3
from functions.cleanup.handler import app as cleanup_app
from functions.upload.handler import app
from soundlift.common.db.engine import Database
from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.model import RECEIVE_SECONDS, State
from soundlift.common.media import new_media_id
from soundlift.common.services import Services
from tests.api.direct_uploads import DirectClient, stored
from tests.factories.jobs import MP4, age
from tests.fixtures.functions import Client

pytestmark = [pytest.mark.servers, pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")]
KEY = '"8e03978e-40d5-43dd-bc93-6894a57f9324"'
MAX_STEPS = 30


@pytest.fixture
def direct(services: Services, s3_server: S3) -> Iterator[DirectClient]:
    url = s3_server.url().replace("some/prefix", new_media_id())
    yield client_of(Services(replace(services.settings, media_url=url)))
    app.services = services


def client_of(services: Services) -> DirectClient:
    app.services = services
    app.test_client_class = Client
    return DirectClient(app.test_client(), services)


def is_killed_after(step: int, direct: DirectClient, request: str, *arguments: Any, **options: Any) -> bool:
    """Send a request to another process, which is killed after one of its steps; return whether it was."""
    pid = os.fork()
    if pid == 0:
        try:
            _kill_this_process_after(step)
            getattr(client_of(Services(direct.services.settings)), request)(*arguments, **options)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def _kill_this_process_after(step: int) -> None:
    """Count the calls of the store and the transactions from 1; this process does nothing else afterwards."""
    numbers = itertools.count(1)

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            result = real(*arguments, **options)
            if next(numbers) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    for owner, name in ((BaseClient, "_make_api_call"), (Database, "transact")):
        setattr(owner, name, counted(getattr(owner, name)))


def clean_up_later(services: Services) -> None:
    """Let the deadline of every upload pass, and clean up."""
    for job_id, state in rows(services):
        job = services.jobs.find(job_id)
        if job and state == State.RECEIVING:
            age(services, job, RECEIVE_SECONDS + 1, "upload_deadline")
    cleanup_app.services = services
    cleanup_app.test_client_class = Client
    assert cleanup_app.test_client().post("/").status_code == 200


def rows(services: Services) -> list[tuple[str, str]]:
    with services.database.read() as connection:
        return [(row.id, row.state) for row in connection.execute(sa.select(table.c.id, table.c.state))]


def begin_and_send(direct: DirectClient) -> dict[str, Any]:
    upload = direct.begun(MP4, key=KEY)
    direct.send(upload, MP4)
    return upload


def remove(direct: DirectClient, upload: dict[str, Any]) -> None:
    direct.abandon(upload)
    clean_up_later(direct.services)
    assert (rows(direct.services), stored(direct.services)) == ([], ([], []))


def test_a_beginning_that_is_killed_is_continued_by_the_same_request_or_removed_by_cleanup(
    direct: DirectClient,
) -> None:
    for step in range(1, MAX_STEPS):
        if not is_killed_after(step, direct, "begin", MP4, key=KEY):
            break
        upload = begin_and_send(direct)
        assert direct.complete(upload).status_code == 202
        assert rows(direct.services) == [(upload["job_id"], State.QUEUED)]
        remove(direct, upload)
        forget_keys(direct.services)
        assert is_killed_after(step, direct, "begin", MP4, key=KEY)
        clean_up_later(direct.services)
        assert (rows(direct.services), stored(direct.services)) == ([], ([], []))
    assert step > 4, "the row, its deadline, two calls of the store, and the row"
    remove(direct, direct.begun(MP4, key=KEY))


def test_a_completion_that_is_killed_is_finished_by_the_same_request_or_removed_by_cleanup(
    direct: DirectClient,
) -> None:
    for step in range(1, MAX_STEPS):
        upload = begin_and_send(direct)
        if not is_killed_after(step, direct, "complete", upload):
            break
        answer = direct.complete(upload)
        assert (answer.status_code, answer.json["job_id"], answer.json["state"]) == (202, upload["job_id"], "queued")
        assert rows(direct.services) == [(upload["job_id"], State.QUEUED)]
        remove(direct, upload)
        forget_keys(direct.services)
        upload = begin_and_send(direct)
        assert is_killed_after(step, direct, "complete", upload)
        clean_up_later(direct.services)
        left = rows(direct.services), tuple(map(len, stored(direct.services)))
        assert left in (([], (0, 0)), ([(upload["job_id"], State.QUEUED)], (1, 0)))
        remove(direct, upload)
        forget_keys(direct.services)
    assert step > 5, "the deadline, the parts, the file, its size, its bytes, and the row"


def test_an_abandonment_that_is_killed_is_finished_by_the_same_request_or_by_cleanup(direct: DirectClient) -> None:
    for step in range(1, MAX_STEPS):
        for is_repeated in (True, False):
            upload = begin_and_send(direct)
            if not is_killed_after(step, direct, "abandon", upload):
                assert step > 4, "the row, three calls of the store, and the row"
                return
            if is_repeated:
                assert direct.abandon(upload).status_code in (204, 404)
            clean_up_later(direct.services)
            assert (rows(direct.services), stored(direct.services)) == ([], ([], []))


def forget_keys(services: Services) -> None:
    """Delete the keys of uploads, as cleanup does after a day."""
    with services.database.write() as connection:
        connection.execute(sa.text("DELETE FROM upload_key"))
