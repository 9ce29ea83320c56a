"""A video and a bare message of another program go the whole way, as its own programs are used to."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from soundlift.client import Client
from soundlift.common.media import MediaInfo, open_media
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.clips import talking_mp4
from tests.conftest import PASSWORD, SECRET
from tests.local.running import Stack
from tests.parts import wait_for
from tests.pipeline.conftest import EMAIL, mail_of, mails_of

FID = "0123456789abcdef01234567"
BODY = json.dumps({"video_fid": FID, "mp3_fid": None, "username": EMAIL}).encode()
PUT = "INSERT INTO message (queue, body, content_type, headers, visible_at) VALUES (?, ?, ?, ?, ?)"


def ask(stack: Stack, statement: str, *values: object) -> Any:
    with closing(sqlite3.connect(stack.data / "queue.db")) as connection, connection:
        return connection.execute(statement, values).fetchone()


def test_a_bare_message_sent_twice_is_one_job_one_mp3_and_one_mail(
    start: Callable[..., Stack], password_hash: str, tmp_path: Path
) -> None:
    stack = start(ACCEPT_BARE_MESSAGES="true")
    services = Services(Settings.from_environment({"SOUNDLIFT_DATA": str(stack.data), "JWT_SECRET": SECRET}))
    services.users.add(EMAIL, password_hash)
    writer = open_media(services.settings.media_url, "videos").create(FID, MediaInfo("other", "a.mp4", "", ""))
    writer.write(talking_mp4(tmp_path).read_bytes())
    writer.commit()
    for _ in range(2):
        ask(stack, PUT, "video", BODY, "application/json", "{}", 0)
    assert mail_of(stack, FID)["To"] == EMAIL
    wait_for(lambda: ask(stack, "SELECT count(*) FROM message")[0] == 0, "the queue is empty, of dead letters, too")
    client = Client(stack.url, email=EMAIL, password=PASSWORD)
    [job] = client.jobs()
    assert (job.id, job.state, job.file_name) == (FID, "ready", "video")
    assert client.download(job, tmp_path / "a.mp3").stat().st_size == job.mp3_bytes
    assert len(mails_of(stack, FID)) == 1
    services.database.engine.dispose()
