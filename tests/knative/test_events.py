"""With Knative's broker, each upload ends in one MP3 or one reported failure, and its owner is notified once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import urllib3
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from devservers.knative_broker import ATTEMPTS, WsgiServer
from devservers.mail_server import MailServer
from devservers.ports import free_port
from devservers.waiting import wait_for
from soundlift.common.broker.http_sink import HttpSink
from soundlift.common.events import (
    MP3_READY,
    STRUCTURED,
    VIDEO_UPLOADED,
    event_for,
)
from soundlift.common.services import Services
from tests.factories.clips import PICTURE, ffmpeg
from tests.factories.jobs import is_notified, job_now, queued_job
from tests.fixtures.functions import Call
from tests.knative.conftest import Knative

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop


def test_a_video_becomes_an_mp3_and_its_owner_receives_a_mail(
    knative: Knative, mail_server: MailServer, video: Path
) -> None:
    job_id = knative.upload(video)
    wait_for(lambda: is_notified(knative.services, job_id), "its owner is notified")
    knative.settle()
    assert job_now(knative.services, job_id).state == "ready"
    assert len(mail_server.messages) == 1
    assert [event.get_type() for event in knative.broker.accepted] == [VIDEO_UPLOADED, MP3_READY]
    assert knative.broker.dead_letters == knative.broker.dropped == knative.broker.loops == []


def test_a_failing_subscriber_is_retried_and_the_other_is_not_called_again(
    knative: Knative, mail_server: MailServer, video: Path
) -> None:
    received: list[str] = []

    def audit(environ: dict[str, str], start_response: Callable[..., object]) -> list[bytes]:
        received.append(environ["HTTP_CE_TYPE"])
        start_response("503 Later" if len(received) < ATTEMPTS else "204 No Content", [])
        return []

    with WsgiServer(audit) as served:
        knative.broker.triggers = [*knative.broker.triggers, (MP3_READY, served.url)]
        knative.upload(video)
        wait_for(lambda: len(received) == ATTEMPTS, "the failing subscriber is called again")
        knative.settle()
    assert received == ATTEMPTS * [MP3_READY]
    assert len(mail_server.messages) == 1
    assert knative.broker.dead_letters == knative.broker.dropped == []


def test_lost_events_are_sent_again_until_every_owner_is_notified_once(
    knative: Knative, mail_server: MailServer, video: Path, tmp_path: Path
) -> None:
    knative.broker.loss_interval = 3
    silent = ffmpeg(tmp_path / "silent.mp4", *PICTURE, "-c:v", "mpeg4")
    jobs = {knative.upload(one): one for one in (video, silent, video, silent, video, video)}
    knative.settle()
    assert not knative.all_are_notified()
    for _ in range(10):
        knative.skip_minutes()
        knative.settle()
        if knative.all_are_notified():
            break
    for job_id, one in jobs.items():
        assert job_now(knative.services, job_id).state == ("failed" if one is silent else "ready")
    message_ids = [mail["Message-ID"] for mail in mail_server.messages]
    assert len(message_ids) == len(set(message_ids)) == len(jobs)


def test_the_backlog_of_one_user_delays_no_other_user(knative: Knative, mail_server: MailServer, video: Path) -> None:
    services, content = knative.services, video.read_bytes()
    backlog = [queued_job(services, content) for _ in range(4)]
    mine = queued_job(services, content, email="bob@example.org")
    for job in backlog[:3]:
        services.publisher.publish(event_for(job))
        knative.settle()
    assert [job_now(services, job.id).state for job in (*backlog, mine)] == [
        "ready",
        "ready",
        "queued",
        "queued",
        "ready",
    ]
    assert is_notified(services, mine.id)
    for job in (*backlog[3:], mine):
        services.publisher.publish(event_for(job))
        knative.settle()
    assert knative.all_are_notified()
    assert len(mail_server.messages) == 5


def test_an_event_without_a_trigger_is_sent_again_later(knative: Knative, video: Path) -> None:
    triggers, knative.broker.triggers = knative.broker.triggers, []
    job_id = knative.upload(video)
    knative.broker.triggers = triggers
    knative.skip_minutes()
    wait_for(lambda: is_notified(knative.services, job_id), "its owner is notified")


def test_a_mail_server_failure_is_answered_503_and_the_mail_is_sent_later(
    knative: Knative, mail_server: MailServer, video: Path
) -> None:
    mail_server.replies["DATA"] = "451 Later"
    job_id = knative.upload(video)
    wait_for(lambda: knative.broker.dead_letters, "the dispatcher gives up")
    assert knative.broker.dead_letters[0].get_extension("knativeerrorcode") == "503"
    mail_server.replies.clear()
    knative.skip_minutes()
    wait_for(lambda: is_notified(knative.services, job_id), "its owner is notified")
    assert len(mail_server.messages) == 1
    assert knative.broker.dropped == []


def test_an_upload_is_answered_202_while_the_sink_is_unreachable(knative: Knative, video: Path) -> None:
    settings = knative.services.settings
    knative.services.publisher = HttpSink(f"http://127.0.0.1:{free_port()}/")
    job_id = knative.upload(video)
    knative.services.publisher = HttpSink(settings.broker_url)
    assert urllib3.request("POST", knative.urls["cleanup"]).json()["sent"] == 1
    wait_for(lambda: is_notified(knative.services, job_id), "its owner is notified")


@pytest.mark.parametrize("name", ["convert", "notify", "webhook"])
def test_the_log_has_the_upload_s_trace_id_even_if_the_event_lost_it(
    function: Call, services: Services, name: str
) -> None:
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    job = services.jobs.receive(
        username="ada@example.org", file_name="a.mp4", content_type="video/mp4", traceparent=traceparent
    )
    services.jobs.queue(job.id, video_bytes=1)
    claim = services.jobs.claim(job_now(services, job.id))
    assert claim is not None
    assert services.jobs.mark_failed(claim, code="broken", message="It is broken.")
    event = {"specversion": "1.0", "id": "1", "source": "/a", "type": "a", "data": {"job_id": job.id}}
    other = "00-00000000000000000000000000000bad-00f067aa0ba902b7-01"
    with capture_logs(processors=[merge_contextvars]) as logs:
        function(name).post("/", json=event, headers={"Content-Type": STRUCTURED, "traceparent": other})
    (line,) = [line for line in logs if line["event"] == "request"]
    assert line["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
