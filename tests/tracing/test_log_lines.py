"""Log lines about a job carry its id and the trace id of its upload, also those of threads and of cleanup."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
import structlog
from cloudevents.core.v1.event import CloudEvent
from structlog.testing import capture_logs

from devservers.waiting import wait_for
from functions.convert.heartbeat import ConversionHeartbeat
from functions.upload import lease
from functions.upload.lease import UploadLease
from soundlift.common.broker import Delivery
from soundlift.common.errors import BrokerUnavailable, DatabaseUnavailable, StoreUnavailable
from soundlift.common.events import Message, event_for, to_message
from soundlift.common.jobs import heartbeat
from soundlift.common.jobs.limits import Limits
from soundlift.common.jobs.model import Job
from soundlift.common.logging import begin_trace, bind_job
from soundlift.common.media import MediaReader
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from soundlift.connector.event_reader import job_fields
from soundlift.connector.loop import DeliveryLoop
from soundlift.connector.subscriptions import fixed_subscriptions
from tests.factories.accounts import bearer
from tests.factories.jobs import MP4, age, claimed_job, job_now, ready_job
from tests.factories.media import store
from tests.fixtures.functions import Call

TRACE = "0af7651916cd43dd8448eb211c80319c"
UPLOAD = f"00-{TRACE}-b7ad6b7169203331-01"
Lines = list[MutableMapping[str, Any]]


class Away:
    """A part of which nothing can be reached."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        def fail(*arguments: Any, **options: Any) -> Any:
            raise self._error

        return fail


@pytest.fixture
def services(settings: Settings) -> Iterator[Services]:
    services = Services(settings)
    yield services
    services.database.engine.dispose()


@pytest.fixture
def logs() -> Iterator[Lines]:
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        yield logs


def uploaded(services: Services) -> Job:
    """Return a queued job whose upload had a trace."""
    job = services.jobs.receive(
        username="ada@example.org", file_name="a.mp4", content_type="video/mp4", traceparent=UPLOAD
    )
    store(services.videos, job.video_fid, MP4)
    assert services.jobs.queue(job.id, video_bytes=len(MP4))
    return job_now(services, job.id)


def line(logs: Lines, event: str) -> Mapping[str, Any]:
    return wait_for(lambda: [one for one in logs if one["event"] == event], f"“{event}” is logged")[0]


def about(job: Job) -> dict[str, str]:
    return {"job_id": job.id, "trace_id": TRACE}


def test_a_heartbeat_that_fails(services: Services, logs: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "TICK_SECONDS", 0.001)
    job, claim = claimed_job(services)
    begin_trace(UPLOAD)
    bind_job(job.id)
    services.jobs = Away(DatabaseUnavailable("It is away."))  # type: ignore[assignment]
    with ConversionHeartbeat(claim, services):
        assert line(logs, "claim not renewed").items() >= about(job).items()


def test_a_lease_of_an_upload_that_fails(services: Services, logs: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "REFRESH_SECONDS", 0.001)
    job = uploaded(services)
    begin_trace(UPLOAD)
    bind_job(job.id)
    jobs: Any = Away(DatabaseUnavailable("It is away."))
    limits: Any = Limits
    running = UploadLease(jobs, job, reserved=0, max_bytes=1, limits=limits)
    assert line(logs, "upload lease not renewed").items() >= about(job).items()
    running.end()


def test_an_event_that_cleanup_cannot_send(function: Call, services: Services, logs: Lines) -> None:
    job = uploaded(services)
    age(services, job, 601)
    services.publisher = Away(BrokerUnavailable("It is away."))
    function("cleanup").post("/")
    assert line(logs, "broker unavailable, events wait").items() >= about(job).items()


def test_files_that_cleanup_cannot_delete(function: Call, services: Services, logs: Lines) -> None:
    job = uploaded(services)
    claim = services.jobs.claim(job)
    assert claim is not None
    store(services.mp3s, claim.mp3_fid, b"half")
    age(services, job, 3600)
    services.mp3s = Away(StoreUnavailable("It is away."))
    function("cleanup").post("/")
    assert line(logs, "store unavailable, job waits").items() >= about(job).items()


def test_files_that_cleanup_cannot_expire(function: Call, services: Services, logs: Lines) -> None:
    job = services.jobs.receive(
        username="ada@example.org", file_name="a.mp4", content_type="video/mp4", traceparent=UPLOAD
    )
    age(services, job, 3600)
    services.videos = Away(StoreUnavailable("It is away."))
    assert function("cleanup").post("/").status_code == 200
    assert line(logs, "store unavailable, files wait").items() >= about(job).items()


@dataclass
class Shrunk:
    """A store whose second file has another size than its row says."""

    store: Any
    opened: int = 0

    def open(self, fid: str) -> MediaReader:
        self.opened += 1
        reader: MediaReader = self.store.open(fid)
        return replace(reader, size=reader.size + (self.opened > 2))


def test_an_archive_that_is_cut_off(function: Call, services: Services, logs: Lines, password_hash: str) -> None:
    services.users.add("ada@example.org", password_hash)
    first, second = ready_job(services), ready_job(services)
    services.mp3s = Shrunk(services.mp3s)  # type: ignore[assignment]
    with pytest.raises(StoreUnavailable):
        function("download").get(f"/?jobs={first.id},{second.id}", headers=bearer(services))
    assert line(logs, "archive cut off")["job_id"] == second.id


def test_a_message_that_a_connector_cannot_return(services: Services, logs: Lines) -> None:
    job = uploaded(services)
    delivery = Delivery("video", to_message(event_for(job)), 1, 1)
    assert job_fields(delivery) == about(job)
    assert job_fields(replace(delivery, message=Message(b"no event"))) == {}
    consumer: Any = Away(BrokerUnavailable("It is away."))
    handler: Any = Away(ValueError())
    loop = DeliveryLoop(
        consumer, fixed_subscriptions({"video": "http://127.0.0.1:9"}, ["video"]), handler, concurrency=1,
        drain_seconds=0,
    )  # fmt: skip
    loop._in_flight[Any] = delivery  # type: ignore[index]
    loop._return_in_flight()
    found = line(logs, "message could not be returned to its queue")
    assert found.items() >= {**about(job), "queue": "video"}.items()


def test_an_event_of_a_password_link_is_about_no_job() -> None:
    attributes = {"specversion": "1.0", "id": "1", "source": "/soundlift", "type": "dev.soundlift.link.requested"}
    message = to_message(CloudEvent(attributes, {"link_id": "1"}))
    assert job_fields(Delivery("mp3", message, 1, 1)) == {}
