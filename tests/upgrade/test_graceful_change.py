"""A deployment is upgraded, restarted part by part, and loses its store and its database; every request is served.

The tests share one deployment, which the first one upgrades from the release before the newest migration.
"""

from __future__ import annotations

import io
import json
import os
import signal
import socket
from pathlib import Path

import pytest

from devservers.process_stack import PARTS, ROOT
from devservers.waiting import wait_for
from soundlift.common.db.migrations import migrate
from tests.api.function_server import read_response
from tests.factories.accounts import PASSWORD
from tests.factories.clips import talking_mp4
from tests.factories.jobs import job_now, ready_job
from tests.upgrade.conftest import EMAIL, Deployment
from tests.upgrade.traffic import Traffic, basic

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]

LARGE = 8_000_000
HEAD_SECONDS = 6
# upload is the last: an older convert does not know the formats and options that a newer upload accepts.
ORDER = [*(part for part in PARTS if part != "upload"), "upload"]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return talking_mp4(tmp_path_factory.mktemp("clips"))


def upload_to_each_process(deployment: Deployment, video: Path) -> list[str]:
    """Upload a video to each process of upload, and return the ids of the jobs."""
    urls = [f"http://127.0.0.1:{process.port}" for process in deployment.stack.processes["upload"]]
    return [deployment.client(url).upload(video).id for url in urls]


def wait_until_ready(deployment: Deployment, job_ids: list[str]) -> None:
    client = deployment.client()
    for job_id in job_ids:
        job = client.wait(job_id, timeout=60)
        assert job.ready, job
        output = io.BytesIO()
        client.download_to(job, output)
        assert len(output.getvalue()) == job.mp3_bytes


def test_functions_of_the_earlier_release_work_alongside_new_ones_on_new_tables(
    deployment: Deployment, video: Path
) -> None:
    if deployment.earlier == ROOT:
        skip = pytest.fail if os.environ.get("CI") else pytest.skip
        skip("The release before the newest migration is not in this checkout: clone the whole history.")
    stack, client = deployment.stack, deployment.client()
    before = client.upload(video).id  # whose row has none of the new columns' values
    migrate(deployment.services.settings.database_url)
    ids = [before, client.upload(video).id]
    wait_until_ready(deployment, ids)  # all parts are those of the earlier release

    stack.add("upload")  # from here on, there is one of each release
    ids += upload_to_each_process(deployment, video)
    wait_until_ready(deployment, ids[2:])
    for part in ORDER:
        if part == "connector":  # its messages wait in the queue for the new one
            (old,) = stack.processes[part]
            assert stack.remove(old) == 0
            ids += upload_to_each_process(deployment, video)
            stack.add(part)
        elif part == "upload":
            assert stack.remove(stack.processes[part][0]) == 0
        else:
            assert stack.replace(part) == 0
            ids += upload_to_each_process(deployment, video)
    deployment.is_upgraded = True
    wait_until_ready(deployment, ids)
    deployment.settle(ids)
    assert {job_id: deployment.mails_about(job_id) for job_id in ids} == dict.fromkeys(ids, 1)
    assert {job.id for job in client.jobs()} >= set(ids)


def test_a_rolling_restart_of_every_part_fails_no_request_and_loses_nothing(
    deployment: Deployment, video: Path
) -> None:
    deployment.upgrade()
    stack, services = deployment.stack, deployment.services
    traffic = Traffic(
        stack.url,
        services.tokens.sign_in(EMAIL, admin=False),
        basic(EMAIL, PASSWORD),
        video.read_bytes(),
        ready_job(services, os.urandom(LARGE), email=EMAIL).id,
        LARGE,
    )
    with traffic.flowing():
        codes = {part: stack.replace(part) for part in PARTS}
        stack.gateway.signal(signal.SIGHUP)  # nginx replaces its workers
        before = sum(traffic.done.values())
        wait_for(lambda: traffic.failures or sum(traffic.done.values()) > before + 20, "requests go on")
    assert traffic.failures == []
    assert set(codes.values()) == {0}, codes
    assert len(traffic.done) == 6, traffic.done
    deployment.settle(traffic.job_ids)
    assert {job_now(services, job_id).state for job_id in traffic.job_ids} == {"ready"}
    assert {deployment.mails_about(job_id) for job_id in traffic.job_ids} == {1}


@pytest.mark.parametrize(("server", "code"), [("store", "store_unavailable"), ("database", "database_unavailable")])
def test_uploads_succeed_again_by_themselves_after_a_server_was_away(
    deployment: Deployment, video: Path, server: str, code: str
) -> None:
    deployment.upgrade()
    accepted = [deployment.client().upload(video).id for _ in range(2)]
    away = {"store": deployment.mongodb.server, "database": deployment.mariadb.server}[server]
    assert away is not None
    away.kill()
    try:
        status, headers, body = wait_for(lambda: refusal(deployment), "uploads are refused")
    finally:
        away.start()
    assert (status, json.loads(body)["code"]) == (503, code)
    assert int(headers["retry-after"]) > 0
    accepted += [deployment.client().upload(video).id for _ in range(2)]
    deployment.settle(accepted)
    wait_until_ready(deployment, accepted)


def refusal(deployment: Deployment) -> tuple[int, dict[str, str], bytes] | None:
    """Return the response to the head of an upload; None if upload waits for the body, since it does not know yet."""
    token = deployment.services.tokens.sign_in(EMAIL, admin=False)
    head = f"POST / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Length: {LARGE}\r\n\r\n"
    port = deployment.stack.processes["upload"][0].port
    with socket.create_connection(("127.0.0.1", port), HEAD_SECONDS) as connection:
        connection.sendall(head.encode())
        try:
            return read_response(connection)
        except TimeoutError:
            return None
