"""Videos from end to end, over real HTTP, through gateway, queue, connector, FFmpeg and mail."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import urllib3
from mutagen.mp3 import MP3
from werkzeug.http import parse_options_header

from devservers.container_stack import ContainerStack
from devservers.local_stack import Stack
from devservers.waiting import wait_for
from soundlift.client import ApiError, Client
from tests.factories.accounts import PASSWORD
from tests.factories.clips import PICTURE, ffmpeg, talking_mp4
from tests.factories.jobs import job_now
from tests.factories.media import is_stored
from tests.pipeline.conftest import EMAIL, Mailbox, open_services, skip_minutes

NAME = "Ünïcode 🎵.mp4"
SECONDS = 60
MAX_LONG_POLLS = 24  # of jobs in its image; `soundlift up` has 8


@pytest.fixture(scope="module")
def long_sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make two hours of sound, so that the conversion is still running when a test looks."""
    folder = tmp_path_factory.mktemp("long")
    minute = ffmpeg(
        folder / "a.mka", "-f", "lavfi", "-i", "anoisesrc=d=60:r=44100:a=0.1", "-c:a", "libopus", "-b:a", "6k"
    )
    return ffmpeg(folder / "long.mkv", "-stream_loop", "119", "-i", str(minute), "-c", "copy")


def test_a_video_becomes_an_mp3_and_its_owner_is_notified(mailbox: Mailbox, client: Client, tmp_path: Path) -> None:
    video = talking_mp4(tmp_path, "-metadata", "title=Título")
    queued = client.upload(video, name=NAME)
    assert queued.state == "queued"
    job = client.wait(queued.id, timeout=SECONDS)
    assert (job.state, job.percent, job.file_name) == ("ready", 100, NAME)
    mp3 = MP3(client.download(job, tmp_path / "a.mp3"))
    assert mp3.info.length == pytest.approx(3, abs=0.1)
    assert str(mp3.tags["TIT2"]) == "Título"
    mail = mailbox.first_about(job.id)
    assert (mail["To"], mail["Subject"]) == (EMAIL, "Your audio file is ready: Ünïcode 🎵.mp3")
    assert next(client.jobs()).id == job.id


def test_the_link_in_the_mail_needs_no_login_and_gives_the_right_file_name(
    mailbox: Mailbox, client: Client, tmp_path: Path
) -> None:
    job = client.wait(client.upload(talking_mp4(tmp_path), name=NAME).id, timeout=SECONDS)
    text = mailbox.first_about(job.id).get_body(("plain",)).get_content()
    link, _ = re.findall(r"https?://\S+", text)
    response = urllib3.request("GET", link)
    assert response.status == 200
    assert len(response.data) == job.mp3_bytes == int(response.headers["Content-Length"])
    assert parse_options_header(response.headers["Content-Disposition"])[1]["filename"] == "Ünïcode 🎵.mp3"
    part = urllib3.request("GET", link, headers={"Range": "bytes=-100"})
    assert (part.status, part.data) == (206, response.data[-100:])


def test_a_video_without_sound_fails_with_the_same_sentence_in_job_and_mail(
    mailbox: Mailbox, client: Client, tmp_path: Path
) -> None:
    silent = ffmpeg(tmp_path / "silent.mp4", *PICTURE, "-c:v", "mpeg4")
    job = client.wait(client.upload(silent).id, timeout=SECONDS)
    assert (job.state, job.error_code) == ("failed", "no_audio")
    assert str(job.error) in mailbox.first_about(job.id).get_body(("plain",)).get_content()


def test_a_file_that_is_not_media_is_refused_by_upload(client: Client, tmp_path: Path) -> None:
    text = tmp_path / "letter.mp4"
    text.write_text("Dear Sir or Madam")
    with pytest.raises(ApiError) as refused:
        client.upload(text)
    assert (refused.value.status, refused.value.code) == (415, "unsupported_media_type")


def test_a_job_is_cancelled_during_its_conversion(client: Client, long_sound: Path) -> None:
    job = client.upload(long_sound)
    wait_for(lambda: client.job(job.id).percent, "the conversion runs")
    assert client.cancel(job.id).state == "cancelled"
    with pytest.raises(ApiError) as refused:
        client.download(job.id, long_sound.with_suffix(".mp3"))
    assert refused.value.status == 409
    client.delete(job.id)
    assert job.id not in [one.id for one in client.jobs()]


def test_a_deleted_job_leaves_nothing_in_the_store_after_cleanup(
    stack: Stack | ContainerStack, servers: Mapping[str, str], client: Client, tmp_path: Path
) -> None:
    job_id = client.wait(client.upload(talking_mp4(tmp_path)).id, timeout=SECONDS).id
    with open_services(stack, servers) as services:
        row = job_now(services, job_id)
        stored = [(services.videos, row.video_fid), (services.mp3s, str(row.mp3_fid))]
        assert all(is_stored(media, fid) for media, fid in stored)
        client.delete(job_id)
        assert stack.cleanup().status == 200
        wait_for(lambda: services.jobs.find(job_id) is None, "its row is deleted")
        assert not any(is_stored(media, fid) for media, fid in stored)


def test_conversions_and_long_polls_do_not_delay_logins(stack: Stack, client: Client, long_sound: Path) -> None:
    jobs = [client.upload(long_sound) for _ in range(4)]
    with ThreadPoolExecutor(60) as pool:
        waiting = [pool.submit(client.job, jobs[number % 4].id, 60) for number in range(60)]
        answered = "requests beyond the limit of long polls are answered"
        wait_for(lambda: sum(one.done() for one in waiting) >= 60 - MAX_LONG_POLLS, answered, seconds=55)
        began = time.monotonic()
        Client(stack.url, email=EMAIL, password=PASSWORD).login()
        assert time.monotonic() - began < 10
        assert not all(one.done() for one in waiting)
        for job in jobs:
            client.cancel(job.id)
    assert {one.result().state for one in waiting} <= {"queued", "converting", "cancelled"}


def test_a_connector_killed_during_a_conversion_loses_nothing(
    stack: Stack, servers: Mapping[str, str], mailbox: Mailbox, client: Client, tmp_path: Path
) -> None:
    ten_minutes = ffmpeg(tmp_path / "a.flac", "-f", "lavfi", "-i", "sine=duration=600:sample_rate=48000")
    job = client.upload(ten_minutes)
    wait_for(lambda: client.job(job.id).state == "converting", "the conversion runs")
    connector = stack.child("soundlift.connector")
    assert connector is not None
    os.kill(connector.pid, signal.SIGKILL)
    assert client.wait(job.id, timeout=SECONDS).state == "ready"
    skip_minutes(stack, servers)
    mailbox.first_about(job.id)
    assert len(mailbox.about(job.id)) == 1
