"""Compares the checks before the body of an upload, without their cache, with the whole upload of a small video."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from bench.harness import servers
from bench.harness.clients import send_raw
from bench.harness.comparison import Goal, Result, Row, Sample, compare
from bench.harness.deployment import OWNER, Deployment, temporary_deployment
from bench.harness.pair import NO_QUOTA
from bench.harness.processes import served
from bench.inputs.clips import clip
from soundlift.common.db.tables import jobs
from soundlift.common.jobs.admission import UploadAdmission
from soundlift.common.jobs.model import State

REPEATS = 20
CLIP_SECONDS = 1  # about 250 KB
WAITING = 9_000  # jobs to count, just below the limit


def admission(row: Row, store: str) -> Result:
    """Compare the times over MariaDB and a store, in milliseconds."""
    media = {"gridfs": servers.mongodb, "s3": servers.s3}[store]
    with ExitStack() as stack:
        urls = {"DATABASE_URL": stack.enter_context(servers.mariadb()), "MEDIA_URL": stack.enter_context(media())}
        deployment = stack.enter_context(temporary_deployment(**NO_QUOTA, **urls, LOG_LEVEL="error"))
        _queue(deployment)
        upload = stack.enter_context(served("functions.upload.handler:app", deployment.environment))
        return compare(row, partial(_check, deployment), partial(_upload, deployment, upload.url))


def _queue(deployment: Deployment) -> None:
    """Insert jobs that wait, which no worker converts."""
    same: dict[str, object] = {
        "username": OWNER,
        "state": State.QUEUED,
        "file_name": "a.mp4",
        "content_type": "video/mp4",
    }
    same |= {"created_at": time.time(), "changed_at": time.time()}
    ids = (f"{number:024x}" for number in range(WAITING))
    rows = [{**same, "id": job_id, "video_fid": job_id, "turn": turn} for turn, job_id in enumerate(ids)]
    with deployment.services.database.write() as connection:
        connection.execute(sa.insert(jobs), rows)


def _check(deployment: Deployment) -> Sample:
    services = deployment.services

    def once() -> None:
        UploadAdmission(services.jobs, services.videos, services.settings).check(announced_bytes=1)

    return _mean(once)


def _upload(deployment: Deployment, url: str) -> Sample:
    headers = {"Authorization": f"Bearer {deployment.services.tokens.sign_in(OWNER, admin=False)}"}
    return _mean(partial(_send, url, clip(CLIP_SECONDS), headers))


def _send(url: str, video: Path, headers: dict[str, str]) -> None:
    send_raw(url, video, headers)


def _mean(once: Callable[[], object]) -> Sample:
    once()
    began = time.perf_counter()
    for _ in range(REPEATS):
        once()
    return Sample((time.perf_counter() - began) / REPEATS * 1000)


ROWS: dict[Row, Callable[[Row], Result]] = {
    Row(f"upload-admission-{store}", "ms", Goal(0.1)): partial(admission, store=store) for store in ("gridfs", "s3")
}
