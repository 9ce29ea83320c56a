"""Videos and bare messages from other programs are processed from end to end."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import gridfs
import pika
import pymongo
import pytest
from bson import ObjectId

from devservers.local_stack import Stack
from devservers.rabbitmq import RabbitMq
from devservers.waiting import wait_for
from soundlift.client import Client, Job
from soundlift.common.media import MediaInfo, open_media
from tests.factories.clips import talking_mp4
from tests.pipeline.conftest import EMAIL, Mailbox, open_services

FID = "0123456789abcdef01234567"
BODY = json.dumps({"video_fid": FID, "mp3_fid": None, "username": EMAIL}).encode()
INSERT_MESSAGE = "INSERT INTO message (queue, body, content_type, headers, visible_at) VALUES (?, ?, ?, ?, ?)"


def only_job(client: Client, mailbox: Mailbox, tmp_path: Path) -> tuple[Job, bytes]:
    """Wait for the mail about the only job, and return the job and its MP3."""
    assert mailbox.first_about(FID)["To"] == EMAIL
    [job] = client.jobs()
    assert (job.id, job.state, job.file_name) == (FID, "ready", "video")
    return job, client.download(job, tmp_path / "a.mp3").read_bytes()


@pytest.mark.parametrize("servers", ["embedded"], indirect=True)
def test_a_bare_message_sent_twice_gives_one_job_one_mp3_and_one_mail(
    stack: Stack, servers: Mapping[str, str], client: Client, mailbox: Mailbox, tmp_path: Path
) -> None:
    with open_services(stack, servers) as services:
        writer = open_media(services.settings.media_url, "videos").create(FID, MediaInfo("other", "a.mp4", "", ""))
    writer.write(talking_mp4(tmp_path).read_bytes())
    writer.commit()
    with closing(sqlite3.connect(stack.data / "queue.db")) as queue:
        for _ in range(2):
            queue.execute(INSERT_MESSAGE, ("video", BODY, "application/json", "{}", 0))
            queue.commit()
        count = "SELECT count(*) FROM message"
        # During the conversion for the first message, the second is answered 429 and redelivered after 30 seconds.
        wait_for(
            lambda: queue.execute(count).fetchone() == (0,), "the queue is empty, including dead letters", seconds=90
        )
    job, mp3 = only_job(client, mailbox, tmp_path)
    assert len(mp3) == job.mp3_bytes
    assert len(mailbox.about(FID)) == 1


@pytest.mark.parametrize("servers", ["gridfs"], indirect=True)
def test_programs_that_use_only_pymongo_and_pika_get_their_mp3(
    servers: Mapping[str, str], rabbitmq_node: RabbitMq, client: Client, mailbox: Mailbox, tmp_path: Path
) -> None:
    url = servers["BROKER_URL"]
    with (
        pymongo.MongoClient(servers["MEDIA_URL"]) as mongodb,
        pika.BlockingConnection(pika.URLParameters(url)) as connection,
    ):
        gridfs.GridFS(mongodb.videos).put(talking_mp4(tmp_path).read_bytes(), _id=ObjectId(FID))
        for _ in range(2):
            connection.channel().basic_publish("", "video", BODY)
        _, mp3 = only_job(client, mailbox, tmp_path)
        wait_for(lambda: rabbitmq_node.count(url) == 0, "the queues are empty, including dead letters", seconds=90)
        assert [file.read() for file in gridfs.GridFS(mongodb.mp3s).find()] == [mp3]
    assert len(mailbox.about(FID)) == 1
