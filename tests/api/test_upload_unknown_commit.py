"""upload: a connection to the database that fails during or after a commit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.db.engine import Database
from soundlift.common.db.tables import jobs as table
from soundlift.common.errors import DatabaseUnavailable
from soundlift.common.jobs.model import RECEIVE_SECONDS, State
from soundlift.common.jobs.store import Jobs
from soundlift.common.services import Services
from tests.api.uploads import only_job, read_stored, send, traces
from tests.factories.jobs import MP4, age
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call

BEFORE, AFTER = "before the commit", "after the commit"


class BreakingDatabase(Database):
    """A database whose connection breaks once for each state in `breaks`, at the commit that moves a job to it.

    With `stays_down`, it is unreachable from then on.
    """

    def __init__(self, services: Services, breaks: dict[State, str], *, stays_down: bool = False) -> None:
        super().__init__(services.database.engine)
        self.breaks = breaks
        self.down = False
        self._stays_down = stays_down
        services.jobs = Jobs(self)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        self._check_reachable()
        with super().write() as connection:
            yield connection
            moment = self.breaks.pop(connection.scalar(sa.select(table.c.state)), None)
            if moment == BEFORE:
                self._break()
        if moment == AFTER:
            self._break()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        self._check_reachable()
        with super().read() as connection:
            yield connection

    def _break(self) -> None:
        self.down = self._stays_down
        raise DatabaseUnavailable("The connection was lost.")

    def _check_reachable(self) -> None:
        if self.down:
            raise DatabaseUnavailable("The database is unreachable.")


def test_an_upload_whose_job_was_queued_without_an_answer_is_accepted(function: Call, services: Services) -> None:
    BreakingDatabase(services, {State.QUEUED: AFTER})
    response = send(function, services, MP4)
    job = only_job(services)
    assert (response.status_code, response.json["job_id"], job.state) == (202, job.id, State.QUEUED)
    assert read_stored(services, job.video_fid) == MP4
    assert services.broker.receive(["video"], timeout=0) is not None


def test_an_upload_whose_job_was_not_queued_is_answered_503_and_deleted(function: Call, services: Services) -> None:
    BreakingDatabase(services, {State.QUEUED: BEFORE})
    assert_problem(send(function, services, MP4), 503, code="database_unavailable")
    assert traces(services) == []


def test_the_video_of_a_queued_job_is_kept_if_the_database_stays_down(function: Call, services: Services) -> None:
    database = BreakingDatabase(services, {State.QUEUED: AFTER}, stays_down=True)
    assert_problem(send(function, services, MP4), 503, code="database_unavailable")
    database.down = False
    job = only_job(services)
    assert job.state == State.QUEUED
    age(services, job, RECEIVE_SECONDS + 1)
    assert function("cleanup").post("/").json == {"expired": 0, "orphans": 0, "sent": 1}
    assert read_stored(services, job.video_fid) == MP4


def test_an_upload_that_was_not_queued_is_left_to_cleanup_if_the_database_stays_down(
    function: Call, services: Services
) -> None:
    database = BreakingDatabase(services, {State.QUEUED: BEFORE}, stays_down=True)
    assert_problem(send(function, services, MP4), 503, code="database_unavailable")
    database.down = False
    job = only_job(services)
    assert read_stored(services, job.video_fid) == MP4
    age(services, job, RECEIVE_SECONDS + 1)
    assert function("cleanup").post("/").json["orphans"] == 1
    assert traces(services) == []


def test_a_row_inserted_without_an_answer_is_abandoned_by_cleanup(function: Call, services: Services) -> None:
    BreakingDatabase(services, {State.RECEIVING: AFTER})
    assert_problem(send(function, services, MP4), 503, code="database_unavailable")
    age(services, only_job(services), RECEIVE_SECONDS + 1)
    assert len(traces(services)) == 1
    assert function("cleanup").post("/").json["orphans"] == 1
    assert traces(services) == []


def test_a_rollback_without_an_answer_is_completed_by_cleanup(function: Call, services: Services) -> None:
    BreakingDatabase(services, {State.QUEUED: BEFORE, State.DELETED: AFTER})
    assert_problem(send(function, services, MP4), 503, code="database_unavailable")
    assert len(traces(services)) == 2
    assert function("cleanup").post("/").json["orphans"] == 1
    assert traces(services) == []


@pytest.mark.parametrize("next_state", [State.CANCELLED, State.CONVERTING])
def test_a_job_that_moved_on_after_it_was_queued_is_answered_with_its_state(
    function: Call, services: Services, next_state: State
) -> None:
    class MovesOn(BreakingDatabase):
        def _break(self) -> None:
            with services.database.write() as connection:
                connection.execute(sa.update(table).values(state=next_state))
            super()._break()

    MovesOn(services, {State.QUEUED: AFTER})
    response = send(function, services, MP4)
    assert (response.status_code, response.json["state"]) == (202, next_state)
    assert read_stored(services, only_job(services).video_fid) == MP4
    assert services.broker.receive(["video"], timeout=0) is None
