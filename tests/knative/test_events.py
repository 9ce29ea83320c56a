"""Under Knative's broker, too, each upload ends in one MP3 or one stated failure, and its owner is told once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import pytest
import urllib3
from cloudevents.core.v1.event import CloudEvent
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from devservers.knative_broker import PLAIN_EVENT, TRIES, KnativeBroker, KnativeSource, Served, adapted
from devservers.mail_server import MailServer
from devservers.ports import free_port
from devservers.waiting import wait_for
from soundlift.common.broker.http_sink import HttpSink
from soundlift.common.errors import BrokerUnavailable
from soundlift.common.events import (
    CONVERSION_FAILED,
    MP3_READY,
    STRUCTURED,
    VIDEO_UPLOADED,
    Message,
    event_of,
    to_http,
    to_message,
)
from soundlift.common.services import Services
from soundlift.common.web.application import event_function
from tests.api.conftest import Call, function
from tests.factories.accounts import bearer
from tests.factories.clips import PICTURE, ffmpeg, talking_mp4
from tests.factories.jobs import age, is_notified, job_now, queued_job, ready_job
from tests.factories.stores import held

__all__ = ["function"]
MINUTES = 70
FUNCTIONS = ("upload", "convert", "notify", "cleanup")


@dataclass(frozen=True)
class Knative:
    """Is the broker, and each function at an address of its own."""

    broker: KnativeBroker
    urls: dict[str, str]
    services: Services

    def upload(self, video: Path) -> str:
        headers = {**bearer(self.services), "X-Filename": video.name}
        response = urllib3.request("POST", self.urls["upload"], headers=headers, body=video.read_bytes())
        assert response.status == 202
        return str(response.json()["job_id"])

    def settle(self) -> None:
        wait_for(lambda: self.broker.is_idle, "all events are delivered, lost or given up")

    def let_minutes_pass(self) -> None:
        """Make all that waits for its time due, and have cleanup look at it, as PingSource does each minute."""
        for job in self.services.jobs.page(None):
            age(self.services, job, MINUTES * 60)
        assert urllib3.request("POST", self.urls["cleanup"], body=b"{}").status == 200

    def all_are_notified(self) -> bool:
        return all(is_notified(self.services, job.id) for job in self.services.jobs.page(None))


@pytest.fixture
def knative(mailing_services: Services) -> Iterator[Knative]:
    with ExitStack() as stack:
        broker = stack.enter_context(KnativeBroker())
        sink = stack.enter_context(Served(broker))
        services = mailing_services
        services.settings = replace(services.settings, broker_url=sink.url)
        urls = {}
        for name in FUNCTIONS:
            app = import_module(f"functions.{name}.handler").app
            app.services = services
            urls[name] = stack.enter_context(Served(app)).url
        broker.triggers = {
            VIDEO_UPLOADED: urls["convert"],
            MP3_READY: urls["notify"],
            CONVERSION_FAILED: urls["notify"],
        }
        yield Knative(broker, urls, services)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return talking_mp4(tmp_path)


def test_a_video_goes_its_whole_way(knative: Knative, mail_server: MailServer, video: Path) -> None:
    job_id = knative.upload(video)
    wait_for(lambda: is_notified(knative.services, job_id), "its owner is notified")
    knative.settle()
    assert job_now(knative.services, job_id).state == "ready"
    assert len(mail_server.messages) == 1
    assert [event.get_type() for event in knative.broker.taken] == [VIDEO_UPLOADED, MP3_READY]
    assert knative.broker.dead == knative.broker.dropped == knative.broker.loops == []


def test_what_the_platform_loses_is_sent_again_until_every_owner_is_told_once(
    knative: Knative, mail_server: MailServer, video: Path, tmp_path: Path
) -> None:
    knative.broker.loses_every = 3
    silent = ffmpeg(tmp_path / "silent.mp4", *PICTURE, "-c:v", "mpeg4")
    jobs = {knative.upload(one): one for one in (video, silent, video, silent, video, video)}
    knative.settle()
    assert not knative.all_are_notified()
    for _ in range(10):
        knative.let_minutes_pass()
        knative.settle()
        if knative.all_are_notified():
            break
    for job_id, one in jobs.items():
        assert job_now(knative.services, job_id).state == ("failed" if one is silent else "ready")
    told = sorted(mail["Message-ID"] for mail in mail_server.messages)
    assert len(told) == len(set(told)) == len(jobs)


def test_events_that_no_trigger_wants_are_gone_and_sent_again(knative: Knative, video: Path) -> None:
    triggers, knative.broker.triggers = knative.broker.triggers, {}
    job_id = knative.upload(video)
    knative.broker.triggers = triggers
    knative.let_minutes_pass()
    wait_for(lambda: is_notified(knative.services, job_id), "its owner is notified")


def test_trouble_with_mail_is_answered_503_and_told_when_it_is_over(
    knative: Knative, mail_server: MailServer, video: Path
) -> None:
    mail_server.replies["DATA"] = "451 Later"
    job_id = knative.upload(video)
    wait_for(lambda: knative.broker.dead, "the dispatcher gives up")
    assert knative.broker.dead[0].get_extension("knativeerrorcode") == "503"
    mail_server.replies.clear()
    knative.let_minutes_pass()
    wait_for(lambda: is_notified(knative.services, job_id), "its owner is notified")
    assert len(mail_server.messages) == 1
    assert knative.broker.dropped == []


def test_an_upload_is_answered_202_while_the_sink_is_away(knative: Knative, video: Path) -> None:
    settings = knative.services.settings
    knative.services.publisher = HttpSink(f"http://127.0.0.1:{free_port()}/")
    job_id = knative.upload(video)
    knative.services.publisher = HttpSink(settings.broker_url)
    assert urllib3.request("POST", knative.urls["cleanup"]).json()["sent"] == 1
    wait_for(lambda: is_notified(knative.services, job_id), "its owner is notified")


def test_the_sink_is_ready_where_it_answers(knative: Knative) -> None:
    knative.services.publisher.check()
    with pytest.raises(BrokerUnavailable):
        HttpSink(f"http://127.0.0.1:{free_port()}/").check()


def answering(status: int, asked: list[str]) -> Served:
    """Return a sink that answers each request alike, and notes its method."""

    def sink(environ: dict[str, str], start_response: Callable[..., object]) -> list[bytes]:
        asked.append(environ["REQUEST_METHOD"])
        start_response(f"{status} Whatever", [("Location", "/elsewhere")])
        return []

    return Served(sink)


@pytest.mark.parametrize("status", [200, 404, 405, 499])
def test_a_sink_that_answers_a_get_whatever_it_thinks_of_it_is_ready(status: int) -> None:
    asked: list[str] = []
    with answering(status, asked) as sink:
        HttpSink(sink.url).check()
    assert asked == ["GET"]


@pytest.mark.parametrize("status", [500, 503])
def test_a_sink_that_says_it_is_in_trouble_is_not_ready(status: int) -> None:
    with answering(status, []) as sink, pytest.raises(BrokerUnavailable) as refused:
        HttpSink(sink.url).check()
    assert refused.value.evidence == {"status": status}


@pytest.mark.parametrize("status", [300, 302, 400, 503])
def test_only_2xx_confirms_an_event(services: Services, status: int) -> None:
    asked: list[str] = []
    with answering(status, asked) as sink, pytest.raises(BrokerUnavailable) as refused:
        HttpSink(sink.url).publish(event_of(queued_job(services)))
    assert refused.value.evidence == {"status": status}
    assert asked == ["POST"]


@pytest.mark.parametrize("status", [200, 202, 299])
def test_any_2xx_confirms_an_event(services: Services, status: int) -> None:
    with answering(status, []) as sink:
        HttpSink(sink.url).publish(event_of(queued_job(services)))


def as_structured(message: Message) -> Message:
    return message


def as_binary(message: Message) -> Message:
    body = b'{"job_id": "%s"}' % dict(message.headers)["ce-subject"].encode()
    return Message(body, "", message.headers)


def with_bare_names(message: Message) -> Message:
    headers = {name.removeprefix("ce-"): value for name, value in message.headers.items()}
    return Message(as_binary(message).body, "", headers)


@pytest.mark.parametrize("form", [as_structured, as_binary, with_bare_names])
@pytest.mark.parametrize("content_type", [None, "application/json"])
def test_the_source_adapter_s_requests_are_understood(
    function: Call, services: Services, form: Callable[[Message], Message], content_type: str | None
) -> None:
    job = ready_job(services)
    event = event_of(job)
    message = form(to_message(CloudEvent({**event.get_attributes(), "type": VIDEO_UPLOADED}, event.get_data())))
    named = {**message.headers, **({"content-type": content_type} if content_type else {})}
    headers, body = adapted(replace(message, headers=named), "7")
    assert ("Content-Type" in headers) == (content_type is not None)
    response = function("convert").post("/", headers=headers, data=body)
    assert response.status_code == 200
    assert response.get_json(force=True)["type"] == MP3_READY


def test_the_source_tries_again_until_trouble_is_over(knative: Knative, mail_server: MailServer) -> None:
    mail_server.replies["DATA"] = "451 Later"
    tries = KnativeSource(knative.urls["notify"]).deliver(to_message(event_of(ready_job(knative.services))), "9")
    assert next(tries) == 503
    mail_server.replies.clear()
    assert list(tries) == [204]
    assert len(mail_server.messages) == 1


def test_the_source_takes_what_nobody_foresaw_for_trouble_too(services: Services) -> None:
    def fail(event: CloudEvent, services: Services) -> CloudEvent | None:
        raise RuntimeError

    with Served(event_function(fail, services=services)) as served:
        statuses = list(KnativeSource(served.url).deliver(to_message(event_of(queued_job(services))), "10"))
    assert statuses == [503] * TRIES


def test_a_reply_that_the_source_discards_is_sent_by_cleanup(
    knative: Knative, mail_server: MailServer, video: Path
) -> None:
    job = queued_job(knative.services, video.read_bytes())
    assert list(KnativeSource(knative.urls["convert"]).deliver(to_message(event_of(job)), "11")) == [200]
    assert job_now(knative.services, job.id).state == "ready"
    assert knative.broker.taken == []
    knative.let_minutes_pass()
    wait_for(lambda: is_notified(knative.services, job.id), "its owner is notified")
    assert len(mail_server.messages) == 1


def test_an_event_that_comes_again_in_mid_conversion_brings_the_reply_that_was_lost(
    knative: Knative, mail_server: MailServer, video: Path
) -> None:
    services = knative.services
    job = queued_job(services, video.read_bytes())
    videos = services.videos
    services.videos, waiting, let_go = held(videos, beyond=0)
    headers, body = to_http(event_of(job))
    with ThreadPoolExecutor() as pool:
        source = KnativeSource(knative.urls["convert"])  # which discards every reply
        conversion = pool.submit(lambda: list(source.deliver(to_message(event_of(job)), "12")))
        try:
            assert waiting.wait(30)
            again = urllib3.request("POST", knative.urls["convert"], headers=headers, body=body, retries=False)
            assert (again.status, int(again.headers["Retry-After"]) > 0) == (429, True)
        finally:
            let_go.set()
        assert conversion.result() == [200]
    services.videos = videos
    assert urllib3.request("POST", services.settings.broker_url, headers=headers, body=body).status == 202
    wait_for(lambda: is_notified(services, job.id), "its owner is notified")
    assert len(mail_server.messages) == 1


def test_a_plain_message_is_refused_with_400_after_it_is_logged_and_counted(function: Call, services: Services) -> None:
    headers, body = adapted(Message(b"hello", "text/plain"), "8")
    assert headers["ce-type"] == PLAIN_EVENT
    with capture_logs() as logs:
        statuses = [function("notify").post("/", headers=headers, data=body).status_code for _ in range(2)]
    assert statuses == [400, 400]
    counts = [line["count"] for line in logs if line["event"] == "unusable event"]
    assert counts[1] == counts[0] + 1


@pytest.mark.parametrize("name", ["convert", "notify"])
def test_the_log_has_the_trace_of_the_upload_where_the_event_has_lost_it(
    function: Call, services: Services, name: str
) -> None:
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    job = services.jobs.receive(
        username="ada@example.org", file_name="a.mp4", content_type="video/mp4", traceparent=traceparent
    )
    services.jobs.queue(job.id, video_bytes=1)
    claim = services.jobs.claim(job_now(services, job.id))
    assert claim is not None
    assert services.jobs.failed(claim, code="broken", sentence="It is broken.")
    event = {"specversion": "1.0", "id": "1", "source": "/a", "type": "a", "data": {"job_id": job.id}}
    other = "00-00000000000000000000000000000bad-00f067aa0ba902b7-01"
    with capture_logs(processors=[merge_contextvars]) as logs:
        function(name).post("/", json=event, headers={"Content-Type": STRUCTURED, "traceparent": other})
    (line,) = [line for line in logs if line["event"] == "request"]
    assert line["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
