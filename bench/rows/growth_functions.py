"""Compares functions over 1,000,000 jobs, 100,000 queued events and 10,000 users with the same over 100 of each.

Each request has the same to do in both deployments: it is about the same 100 jobs of one user, which are alone in one
deployment and among the jobs of 9,999 others in the other. An admin's lists are of the same length. Each run of cleanup
finds the same rows, which are added before it. So the ratio is what the other rows cost, not what more work costs;
`growth.py` compares the queries of full batches.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from urllib.parse import quote

import sqlalchemy as sa

from bench.harness.comparison import Goal, Result, Row, Sample, compare
from bench.harness.populated import PASSWORD, Populated, populated
from bench.inputs.bulk import Values
from bench.inputs.cleanup_work import add_work, remove_work
from bench.inputs.populations import OWNER, delete_jobs, job_id
from soundlift.common.db.tables import jobs, notifications
from soundlift.common.jobs.model import AudioDescription, State
from soundlift.common.jobs.turns import first_turn

VIDEO = b"\0\0\0\x18ftypisom\0\0\0\0isomiso2" + bytes(2**16)
VIDEO_NAME = "growth.mp4"
LIST = "/?limit=20"
ROUNDS, WARM_UP, REPEATS = 21, 3, 3

Measure = Callable[[Populated], float]  # of one operation, in seconds


def growth(row: Row, servers_of: str, measure: Measure) -> Result:
    """Compare an operation among many rows with the same among few, in short turns: the disk's speed varies."""
    many, few = populated(servers_of)

    def run(side: Populated) -> Sample:
        return Sample(1000 * median(measure(side) for _ in range(REPEATS)))

    return compare(row, partial(run, many), partial(run, few))


def upload(side: Populated) -> float:
    """Upload a small video: receive it, store it, queue its job, and publish its event."""
    kind = {"Content-Type": "video/mp4", "Content-Disposition": f'attachment; filename="{VIDEO_NAME}"'}
    seconds, body = side.request("upload", "POST", "/", side.token(OWNER) | kind, VIDEO)
    delete_jobs(side.services.database, jobs.c.id == json.loads(body)["job_id"])
    return seconds


def list_jobs(side: Populated, query: str, *, admin: bool, expected: int) -> float:
    """List jobs, of one user or of all."""
    seconds, body = side.request("jobs", "GET", query, side.token(OWNER, admin=admin))
    assert len(json.loads(body)["jobs"]) == expected
    return seconds


def list_changes(side: Populated, *, admin: bool) -> float:
    """List what has changed since the last list: one job."""
    _, body = side.request("jobs", "GET", LIST, side.token(OWNER, admin=admin))
    cursor = quote(json.loads(body)["cursor"])
    change = sa.update(jobs).where(jobs.c.id == job_id(30))
    side.services.database.change(change.values(updated_at=side.services.jobs.moment()))
    return list_jobs(side, f"/?changed_since={cursor}", admin=admin, expected=1)


def claim(side: Populated) -> float:
    """Choose the job whose turn it is, claim it, renew the claim once, and mark the job as ready."""
    from functions.convert.choice import choose

    store = side.services.jobs
    with side.services.database.read() as connection:
        turn = first_turn(connection)
    began = time.perf_counter()
    job = choose(store, 0)[0]
    claimed = store.claim(job)
    assert claimed is not None
    assert store.renew(claimed, percent=50)
    assert store.mark_ready(claimed, audio=AudioDescription(format="mp3"), mp3_bytes=1, length=1.0)
    seconds = time.perf_counter() - began
    _queue_again(side, job.id, turn)
    return seconds


def _queue_again(side: Populated, claimed_id: str, turn: int) -> None:
    """Undo a conversion."""
    values: Values = {"state": State.QUEUED, "turn": turn, "mp3_fid": None, "mp3_bytes": None, "attempts": 0}
    with side.services.database.write() as connection:
        connection.execute(sa.update(jobs).where(jobs.c.id == claimed_id).values(**values, ended_at=None, percent=0))
        connection.execute(sa.delete(notifications).where(notifications.c.job == claimed_id))


def clean_up(side: Populated) -> float:
    """Run cleanup once, with something to do in each of its steps."""
    add_work(side.services.database)
    seconds, body = side.request("cleanup", "POST", "/", {})
    assert json.loads(body) == {"expired": 20, "orphans": 10, "sent": 30}, body
    remove_work(side.services.database)
    return seconds


def sign_in(side: Populated) -> float:
    """Sign in with a password, and begin a session."""
    body = json.dumps({"email": OWNER, "password": PASSWORD, "refresh": "token"}).encode()
    seconds, _ = side.request("login", "POST", "/", {"Content-Type": "application/json"}, body)
    return seconds


def refresh(side: Populated) -> float:
    """Exchange a refresh token."""
    kind = {"Content-Type": "application/json"}
    body = json.dumps({"email": OWNER, "password": PASSWORD, "refresh": "token"}).encode()
    _, session = side.request("login", "POST", "/", kind, body)
    token = json.dumps({"refresh_token": json.loads(session)["refresh_token"]}).encode()
    seconds, _ = side.request("login", "POST", "/refresh", kind, token)
    return seconds


def list_users(side: Populated) -> float:
    """List the first of all users with their usage."""
    seconds, body = side.request("login", "GET", "/users?limit=1", side.token(OWNER, admin=True))
    assert len(json.loads(body)["users"]) == 1
    return seconds


OPERATIONS: dict[str, Measure] = {
    "upload": upload,
    "list": partial(list_jobs, query=LIST, admin=False, expected=20),
    "list-admin": partial(list_jobs, query=LIST, admin=True, expected=20),
    "search": partial(list_jobs, query=f"{LIST}&q=holiday", admin=False, expected=20),
    "search-admin": partial(list_jobs, query=f"{LIST}&q=holiday", admin=True, expected=20),
    "changes": partial(list_changes, admin=False),
    "changes-admin": partial(list_changes, admin=True),
    "claim": claim,
    "cleanup": clean_up,
    "sign-in": sign_in,
    "refresh": refresh,
    "list-users": list_users,
}
ROWS: dict[Row, Callable[[Row], Result]] = {
    Row(f"grown-{servers_of}-{name}", "ms", Goal(1.3), rounds=ROUNDS, warm_up=WARM_UP): partial(
        growth, servers_of=servers_of, measure=measure
    )
    for servers_of in ("sqlite", "mariadb")
    for name, measure in OPERATIONS.items()
}
