"""Videos from URLs, over a running `soundlift up`: from the command to the audio file, and after a kill of fetch."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from devservers.local_stack import GATEWAY, Stack
from devservers.waiting import wait_for
from soundlift.client import Client
from soundlift.common.media import list_files
from tests.api.uploads import read_stored
from tests.cli.conftest import Run, run
from tests.factories.accounts import PASSWORD
from tests.factories.clips import talking_mp4
from tests.factories.jobs import is_notified, job_now
from tests.imports.sources import SlowSource, Source, age_source, first_byte, stored_bytes
from tests.outbound.servers import RawServer, redirect
from tests.pipeline.conftest import EMAIL, open_services

FREE_BOX = (500_000).to_bytes(4) + b"free" + bytes(500_000 - 8)  # so that the file takes several blocks

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]
__all__ = ["run"]


@pytest.fixture(scope="module")
def stack(start: Callable[..., Stack], password_hash: str) -> Stack:
    stack = start(OUTBOUND_ALLOW="127.0.0.0/8", OUTBOUND_PORTS="*")
    with open_services(stack, {}) as services:
        services.users.add(EMAIL, password_hash)
    return stack


@pytest.fixture
def client(stack: Stack) -> Client:
    return Client(stack.url, email=EMAIL, password=PASSWORD)


def test_the_command_converts_a_video_at_a_url(stack: Stack, run: Run, tmp_path: Path) -> None:
    video = talking_mp4(tmp_path).read_bytes()
    login = {"SOUNDLIFT_URL": stack.url, "SOUNDLIFT_EMAIL": EMAIL, "SOUNDLIFT_PASSWORD": PASSWORD}
    with RawServer(Source(video, cuts=[10_000])).running() as server:
        ended = run("convert", f"{server.url}/My%20talk.mp4?token=secret", "--json", **login)
    assert ended.returncode == 0, ended.stderr
    assert "secret" not in ended.stderr
    document = json.loads(ended.stdout)
    assert (document["state"], document["output"]) == ("ready", "My talk.mp3")
    assert (tmp_path / "My talk.mp3").stat().st_size == document["bytes"]


def test_a_refused_import_fails_and_its_owner_is_notified(stack: Stack, client: Client) -> None:
    with RawServer(redirect("http://[::ffff:10.0.0.1]/")).running() as server:
        job = client.wait(client.import_url(f"{server.url}/talk.mp4"), timeout=30)
    assert (job.state, job.error_code) == ("failed", "import_refused")
    with open_services(stack, {}) as services:
        wait_for(lambda: is_notified(services, job.id), "its owner is notified")


def test_an_import_whose_process_is_killed_goes_on_where_it_was(stack: Stack, client: Client, tmp_path: Path) -> None:
    video = talking_mp4(tmp_path).read_bytes() + FREE_BOX
    killed = Event()
    with RawServer(SlowSource(video, killed.is_set)).running() as server, open_services(stack, {}) as services:
        job = client.import_url(f"{server.url}/talk.mp4")
        wait_for(lambda: stored_bytes(services) > 0, "a part of the video is stored")
        child = stack.child(GATEWAY)
        assert child is not None
        os.killpg(child.pid, signal.SIGKILL)
        killed.set()
        stored = stored_bytes(services)
        wait_for(stack.answers, "the functions answer again")
        assert job_now(services, job.id).state == "importing"
        age_source(services, job, 60)  # its claim lapses
        wait_for(lambda: stack.cleanup().status == 200, "cleanup sends the event again")
        ended = client.wait(job, timeout=60)
        assert (ended.state, ended.video_bytes) == ("ready", len(video))
        assert [first_byte(head) for head in server.heads] == [None, stored]
        assert read_stored(services, job_now(services, job.id).video_fid) == video
        wait_for(lambda: is_notified(services, job.id), "its owner is notified")
        fids = [file.fid for file in list_files(services.videos)]
        assert job_now(services, job.id).video_fid in fids
        jobs = {each.video_fid for each in services.jobs.page(None)}
        assert set(fids) <= jobs  # what the killed process left is deleted
