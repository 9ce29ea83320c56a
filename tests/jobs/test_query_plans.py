"""Every query that runs per request or per minute reads its rows by an index, and sorts no table."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from devservers.postgresql import PostgreSql
from soundlift.common.auth.api_keys import ApiKey
from soundlift.common.auth.refresh_tokens import RefreshToken
from soundlift.common.jobs.history import delete_orphaned_history, record
from soundlift.common.jobs.history_entry import Step
from soundlift.common.jobs.import_requests import count_claimed
from soundlift.common.jobs.lists import Search
from soundlift.common.jobs.model import Claim, State
from soundlift.common.jobs.overview import read_overview
from soundlift.common.jobs.quota import read_usage, usage_by_user
from soundlift.common.jobs.rates import admit_sound
from soundlift.common.jobs.recent import count, delete_old_counts, recent_uploads, totals_by_user
from soundlift.common.jobs.turns import first_turn, last_turn
from soundlift.common.jobs.upload_keys import UploadKey, insert_key
from soundlift.common.notifications.model import Channel
from soundlift.common.services import Services
from tests.factories.api_keys import new_key
from tests.factories.jobs import age, queued_job, ready_job
from tests.factories.old_rows import OLD_ROWS
from tests.factories.sessions import begin_session
from tests.factories.webhooks import endpoint
from tests.imports.sources import importing_job
from tests.jobs.steps import MAKERS

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop

ADA = "ada@example.org"
URL = "https://hooks.example.org/"
MANY = [ADA, "bob@example.org", *(f"user{number}@example.org" for number in range(98))]
JOB = "1" * 24
JOB_OF = {"find": "PRIMARY|sqlite_autoindex_job_1", "video": "job_of_video", "mp3": "mp3_fid|sqlite_autoindex_job_2"}
NOTIFICATION = "PRIMARY|sqlite_autoindex_notification_1"
SESSION = "PRIMARY|sqlite_autoindex_session_1"
RECENT = "PRIMARY|sqlite_autoindex_usage_minute_1"
USER = "email|sqlite_autoindex_user_1"
KEY = UploadKey(ADA, "1", "0" * 64)
API_KEY = "PRIMARY|key_hash|sqlite_autoindex_api_key_[12]"
WEBHOOK = "PRIMARY|webhook_of_user|sqlite_autoindex_webhook_[12]"
DELIVERY = "PRIMARY|sqlite_autoindex_webhook_delivery_1"
OF_JOB = "webhook_delivery_of_job"
UPLOAD_KEY = "PRIMARY|sqlite_autoindex_upload_key_1"
RESUMABLE = "PRIMARY|sqlite_autoindex_resumable_upload_1"
SOURCE = "PRIMARY|sqlite_autoindex_job_source_1"
OF_JOBS = ("job", "job_source", "job_history", "notification", "deletion", "upload_key", "resumable_upload")
TABLES = (*OF_JOBS, "session", "user", "usage_minute", "api_key", "webhook", "webhook_delivery")


def _read(services: Services, measure: Callable[..., object], *arguments: object) -> None:
    with services.database.read() as connection:
        measure(connection, *arguments)


def _rotate(services: Services) -> None:
    token = RefreshToken.create()
    services.sessions.rotate(token, services.tokens.successors(token))


QUERIES: dict[str, tuple[Callable[[Services, str], object], str]] = {
    "find": (lambda services, _: services.jobs.find(JOB), JOB_OF["find"]),
    "find_by_mp3": (lambda services, _: services.jobs.find_by_mp3(JOB), JOB_OF["mp3"]),
    "find_by_video": (
        lambda services, _: services.jobs.find_by_video(JOB),
        f"{JOB_OF['find']}|{JOB_OF['video']}",
    ),
    "page": (lambda services, _: services.jobs.page(ADA), "job_of_user"),
    "second page": (lambda services, after: services.jobs.page(ADA, after=after), f"job_of_user|{JOB_OF['find']}"),
    "admin page": (lambda services, _: services.jobs.page(None), "job_by_age"),
    "second admin page": (
        lambda services, after: services.jobs.page(None, after=after),
        f"job_by_age|{JOB_OF['find']}",
    ),
    "search": (
        lambda services, _: services.jobs.search(ADA, Search("a", [State.READY])),
        f"job_of_user|{JOB_OF['find']}",
    ),
    "admin search": (lambda services, _: services.jobs.search(None, Search("a")), f"job_by_age|{JOB_OF['find']}"),
    "several jobs": (lambda services, job_id: services.jobs.find_all([JOB, job_id]), JOB_OF["find"]),
    "updates": (
        lambda services, _: services.jobs.updates(ADA, since=0),
        f"job_update_of_user|deletion_update_of_user|{SOURCE}",
    ),
    "admin updates": (lambda services, _: services.jobs.updates(None, since=0), f"job_update|deletion_update|{SOURCE}"),
    "old deletions": (lambda services, _: services.jobs.delete_old_deletions(), "deletion_update"),
    "next in turn": (lambda services, _: services.jobs.next_in_turn(16), "job_in_turn"),
    "enough waiting jobs": (lambda services, _: services.jobs.has_waiting(2), "job_in_turn"),
    "first turn": (lambda services, _: _read(services, first_turn), "job_in_turn"),
    "last turn of a user": (lambda services, _: _read(services, last_turn, ADA), "job_of_user_in_turn"),
    "due": (lambda services, _: services.jobs.due(), "job_resend_at"),
    "waiting jobs": (lambda services, _: services.jobs.count_waiting(), "job_in_state|job_in_turn"),
    "interrupted": (lambda services, _: services.jobs.interrupted(), "job_upload_deadline"),
    "past_retention": (
        lambda services, _: services.jobs.past_retention(retention=60),
        f"job_in_state|{NOTIFICATION}|{OF_JOB}",
    ),
    "to_dispose": (lambda services, _: services.jobs.to_dispose(), "job_purge_after"),
    "delete_old_rows": (lambda services, _: services.jobs.delete_old_rows(retention=100_000), "job_in_state"),
    "history": (lambda services, job_id: services.jobs.history(job_id), "job_history_of_job"),
    "length of a history": (
        lambda services, job_id: services.database.transact(
            lambda connection: record(connection, job_id, Step.EVENT_RESENT)
        ),
        "job_history_of_job",
    ),
    # The ORPHAN_BATCH oldest rows, in the order of the primary key.
    "orphaned history": (
        lambda services, _: delete_orphaned_history(services.database),
        f"PRIMARY|SCAN job_history|{JOB_OF['find']}",
    ),
    "overview": (
        lambda services, _: read_overview(services.database),
        # The RATE_ROWS newest steps are read in the order of the primary key.
        "job_in_state|job_in_turn|notification_due_at|PRIMARY|SCAN job_history",
    ),
    "upload with a key": (lambda services, _: services.jobs.find_upload(KEY), f"{UPLOAD_KEY}|{JOB_OF['find']}"),
    "cancelled keys": (lambda services, _: services.jobs.refuse_upload(KEY), "upload_key_of_user"),
    "old keys": (  # MariaDB may read the uploads in progress first
        lambda services, _: services.jobs.delete_old_keys(),
        f"upload_key_by_age|job_in_state|{JOB_OF['find']}",
    ),
    "resumable upload": (
        lambda services, _: services.resumable_uploads.take(JOB, ADA),
        f"{RESUMABLE}|{JOB_OF['find']}",
    ),
    "unfinished uploads": (
        lambda services, _: services.resumable_uploads.unfinished(ADA),
        f"job_in_quota|{RESUMABLE}|{JOB_OF['find']}",
    ),
    "one more unfinished upload": (
        lambda services, job_id: services.database.transact(
            lambda connection: services.resumable_uploads.inserted(username=ADA, length=1, metadata="", limit=10**6)(
                connection, job_id
            )
        ),
        f"job_in_quota|{RESUMABLE}",
    ),
    "place for one more import": (
        lambda services, _: _read(services, count_claimed, ADA),
        f"job_in_quota|{SOURCE}",
    ),
    "next import": (lambda services, _: services.jobs.next_import(ADA), f"job_in_quota|{SOURCE}|{JOB_OF['find']}"),
    "arrived uploads": (
        lambda services, _: services.resumable_uploads.unsettled(),
        f"resumable_upload_arrived_at|{JOB_OF['find']}",
    ),
    "expired uploads": (
        lambda services, _: services.resumable_uploads.delete_expired(),
        f"resumable_upload_expires_at|{RESUMABLE}|{JOB_OF['find']}",
    ),
    "quota": (lambda services, _: _read(services, read_usage, ADA), "job_in_quota"),
    "quota of many users": (lambda services, _: _read(services, usage_by_user, MANY), "job_in_quota"),
    "recent uploads": (lambda services, _: _read(services, recent_uploads, ADA), RECENT),
    "recent usage of many users": (lambda services, _: _read(services, totals_by_user, MANY), RECENT),
    "old counts": (lambda services, _: delete_old_counts(services.database), "usage_minute_by_age"),
    "sound in conversion": (
        lambda services, _: _read(services, admit_sound, Claim(JOB, "", ""), ADA, 60, 10**6),
        f"job_in_quota|{RECENT}",
    ),
    "limits": (lambda services, _: services.limits.of(ADA, services.settings), USER),
    "user": (lambda services, _: services.users.find(ADA), USER),
    "page of users": (lambda services, _: services.users.page(after=ADA, limit=50), USER),
    "refresh": (lambda services, _: _rotate(services), SESSION),
    "sign in": (lambda services, _: begin_session(services), f"{USER}|session_of_user"),
    "expired sessions": (lambda services, _: services.sessions.delete_expired(), "session_expires_at"),
    "request with a key": (lambda services, _: services.api_keys.use(ApiKey.create()), f"{API_KEY}|{USER}"),
    "new key": (lambda services, _: new_key(services), f"{USER}|{API_KEY}|api_key_of_user"),
    "keys of a user": (lambda services, _: services.api_keys.list(ADA), "api_key_of_user"),
    "old API keys": (lambda services, _: services.api_keys.delete_old(), "api_key_delete_after"),
    "notifications": (lambda services, job_id: services.notifications.by_job([job_id]), f"{NOTIFICATION}|{OF_JOB}"),
    "pending": (lambda services, job_id: services.notifications.is_pending(job_id, Channel.MAIL), NOTIFICATION),
    "webhooks of a user": (lambda services, _: services.webhooks.find_named(ADA, URL), WEBHOOK),
    "due webhooks": (lambda services, _: services.deliveries.due(), f"webhook_delivery_resend_at|{JOB_OF['find']}"),
    "deliveries of a job": (
        lambda services, job_id: services.deliveries.claim_of_job(job_id),
        f"{OF_JOB}|{DELIVERY}|webhook_delivery_claimed_of_user|upload_lock",
    ),
    "deliveries of a user": (
        lambda services, _: services.deliveries.claim_next(ADA),
        f"webhook_delivery_(due|claimed)_of_user|{DELIVERY}",
    ),
    "left-over delivery": (
        lambda services, _: services.deliveries.next_due(ADA),
        f"webhook_delivery_due_of_user|{JOB_OF['find']}",
    ),
    "deliveries of a webhook": (
        lambda services, _: services.delivery_list.page(services.webhooks.list(ADA)[0].id, after=None, limit=20),
        f"webhook_delivery_of_webhook|{WEBHOOK}",
    ),
    "old deliveries": (lambda services, _: services.deliveries.delete_old(), "webhook_delivery_by_age"),
    "failing webhooks": (lambda services, _: services.webhook_alerts.due(), "webhook_alert_due_at"),
    "due notifications": (
        lambda services, _: services.notifications.due(),
        f"notification_due_at|{JOB_OF['find']}",
    ),
}


@pytest.mark.parametrize("database_url", ["sqlite", pytest.param("mariadb", marks=pytest.mark.servers)], indirect=True)
def test_a_query_uses_its_index_and_sorts_no_rows(services: Services) -> None:
    after = _fill(services)
    for name, (query, indexes) in QUERIES.items():
        for step in _plan(services, lambda query=query: query(services, after)):
            assert re.search(rf"\b({indexes})\b", step), f"{name}: {step}"
            assert "TEMP B-TREE FOR ORDER BY" not in step, f"{name}: {step}"
            assert "filesort" not in step, f"{name}: {step}"


@pytest.mark.parametrize("database_url", [pytest.param("postgresql", marks=pytest.mark.servers)], indirect=True)
def test_on_postgresql_no_query_reads_or_sorts_a_table(services: Services, postgresql_server: PostgreSql) -> None:
    after = _fill(services)
    postgresql_server.execute(*OLD_ROWS, database=services.settings.database_url.rpartition("/")[2])
    for name, (query, _) in QUERIES.items():  # statistics decide which of several indexes it takes
        for step in _plan(services, lambda query=query: query(services, after)):
            assert "Index" in step, f"{name}: {step}"
            assert "Sort" not in step, f"{name}: {step}"


def _fill(services: Services) -> str:
    """Make rows of all kinds, and return the id of a job."""
    for make in MAKERS.values():
        job = make(services)
        age(services, job, 60)
    endpoint(services, URL)
    for _ in range(20):
        ready_job(services)
    with services.database.write() as connection:
        for number in range(200):
            count(connection, f"user{number}@example.org", uploads=1)
        for number in range(20):
            insert_key(connection, replace(KEY, text=str(number)), f"{number:024}")
    for _ in range(20):
        services.jobs.receive(
            username=ADA,
            file_name="a.mp4",
            content_type="video/mp4",
            traceparent=None,
            insert_more=services.resumable_uploads.inserted(username=ADA, length=1, metadata="", limit=0),
        )
        importing_job(services)
        begin_session(services)
        new_key(services)
    after = queued_job(services).id
    assert services.jobs.delete(ready_job(services).id)
    return after


def _plan(services: Services, run: Callable[[], object]) -> list[str]:
    """Return how the database reads each table in the SELECT statements of a call."""
    asked: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        if statement.startswith("SELECT"):
            asked.append((statement, parameters))

    engine = services.database.engine
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        run()
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    assert asked
    explain = EXPLAIN[engine.dialect.name]
    with services.database.read() as connection:
        return [step for statement in asked for step in explain(connection, *statement)]


def _explain_on_sqlite(connection: sa.Connection, statement: str, parameters: Any) -> list[str]:
    rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).mappings()
    steps = [str(row["detail"]) for row in rows]
    return [step for step in steps if re.search(rf"(SEARCH|SCAN) ({'|'.join(TABLES)})\b|ORDER BY", step)]


def _explain_on_mariadb(connection: sa.Connection, statement: str, parameters: Any) -> list[str]:
    rows = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).mappings()
    return [f"{row['type']} {row['key']} {row['Extra']}" for row in rows if row["table"] in TABLES]


def _explain_on_postgresql(connection: sa.Connection, statement: str, parameters: Any) -> list[str]:
    # As for large tables: it reads and sorts a few rows without an index.
    connection.exec_driver_sql("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
    connection.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
    lines = connection.exec_driver_sql(f"EXPLAIN (COSTS OFF) {statement}", parameters).scalars().all()
    return [line.strip(" ->") for line in lines if re.search(rf"Sort\b|Scan .*\bon \"?({'|'.join(TABLES)})\b", line)]


EXPLAIN = {"sqlite": _explain_on_sqlite, "mysql": _explain_on_mariadb, "postgresql": _explain_on_postgresql}
