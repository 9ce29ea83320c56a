"""Messages that Knative's source adapter for RabbitMQ delivers to functions."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import urllib3
from cloudevents.core.v1.event import CloudEvent
from structlog.testing import capture_logs

from devservers.knative_broker import ATTEMPTS, PLAIN_EVENT, KnativeSource, WsgiServer, adapt
from devservers.mail_server import MailServer
from devservers.waiting import wait_for
from soundlift.common.events import (
    MP3_READY,
    VIDEO_UPLOADED,
    Message,
    event_for,
    to_http,
    to_message,
)
from soundlift.common.services import Services
from soundlift.common.web.application import event_function
from tests.factories.jobs import is_notified, job_now, queued_job, ready_job
from tests.factories.stores import blocked_store
from tests.fixtures.functions import Call
from tests.knative.conftest import Knative


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
def test_requests_from_the_source_adapter_are_accepted(
    function: Call, services: Services, form: Callable[[Message], Message], content_type: str | None
) -> None:
    job = ready_job(services)
    event = event_for(job)
    message = form(to_message(CloudEvent({**event.get_attributes(), "type": VIDEO_UPLOADED}, event.get_data())))
    named = {**message.headers, **({"content-type": content_type} if content_type else {})}
    headers, body = adapt(replace(message, headers=named), "7")
    assert ("Content-Type" in headers) == (content_type is not None)
    response = function("convert").post("/", headers=headers, data=body)
    assert response.status_code == 200
    assert response.get_json(force=True)["type"] == MP3_READY


def test_a_temporary_failure_is_retried_by_the_source(knative: Knative, mail_server: MailServer) -> None:
    mail_server.replies["DATA"] = "451 Later"
    tries = KnativeSource(knative.urls["notify"]).deliver(to_message(event_for(ready_job(knative.services))), "9")
    assert next(tries) == 503
    mail_server.replies.clear()
    assert list(tries) == [204]
    assert len(mail_server.messages) == 1


def test_an_unexpected_error_is_retried_by_the_source(services: Services) -> None:
    def fail(event: CloudEvent, services: Services) -> CloudEvent | None:
        raise RuntimeError

    with WsgiServer(event_function(fail, services=services)) as served:
        statuses = list(KnativeSource(served.url).deliver(to_message(event_for(queued_job(services))), "10"))
    assert statuses == [503] * ATTEMPTS


def test_a_reply_that_the_source_discards_is_sent_by_cleanup(
    knative: Knative, mail_server: MailServer, video: Path
) -> None:
    job = queued_job(knative.services, video.read_bytes())
    assert list(KnativeSource(knative.urls["convert"]).deliver(to_message(event_for(job)), "11")) == [200]
    assert job_now(knative.services, job.id).state == "ready"
    assert knative.broker.accepted == []
    knative.skip_minutes()
    wait_for(lambda: is_notified(knative.services, job.id), "its owner is notified")
    assert len(mail_server.messages) == 1


def test_an_event_redelivered_after_its_conversion_returns_the_lost_reply(
    knative: Knative, mail_server: MailServer, video: Path
) -> None:
    services = knative.services
    job = queued_job(services, video.read_bytes())
    videos = services.videos
    services.videos, waiting, release = blocked_store(videos, beyond=0)
    headers, body = to_http(event_for(job))
    with ThreadPoolExecutor() as pool:
        source = KnativeSource(knative.urls["convert"])  # which discards every reply
        conversion = pool.submit(lambda: list(source.deliver(to_message(event_for(job)), "12")))
        try:
            assert waiting.wait(30)
            again = urllib3.request("POST", knative.urls["convert"], headers=headers, body=body, retries=False)
            assert (again.status, int(again.headers["Retry-After"]) > 0) == (429, True)
        finally:
            release.set()
        assert conversion.result() == [200]
    services.videos = videos
    assert urllib3.request("POST", services.settings.broker_url, headers=headers, body=body).status == 202
    wait_for(lambda: is_notified(services, job.id), "its owner is notified")
    assert len(mail_server.messages) == 1


def test_a_plain_message_is_logged_counted_and_refused_with_400(function: Call, services: Services) -> None:
    headers, body = adapt(Message(b"hello", "text/plain"), "8")
    assert headers["ce-type"] == PLAIN_EVENT
    with capture_logs() as logs:
        statuses = [function("notify").post("/", headers=headers, data=body).status_code for _ in range(2)]
    assert statuses == [400, 400]
    counts = [line["count"] for line in logs if line["event"] == "unusable event"]
    assert counts[1] == counts[0] + 1
