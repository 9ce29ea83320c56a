"""Steps of a trace: which are recorded, in which trace, and what their logs say."""

from __future__ import annotations

import os
from dataclasses import replace
from threading import Thread

import pytest
import structlog

from devservers.otlp_receiver import OtlpReceiver
from soundlift.common.errors import StoreUnavailable
from soundlift.common.events import event_for
from soundlift.common.jobs.model import Job
from soundlift.common.logging import trace_id, with_log_context
from soundlift.common.media import LimitedSpace, LocalFiles
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from soundlift.common.tracing.jobs import job_span
from soundlift.common.tracing.spans import Kind, begin_span, current_span, leave, span
from soundlift.common.tracing.start import start_tracing
from tests.tracing.conftest import Finish

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
UPLOAD = f"00-{TRACE}-{PARENT}-01"


def received(services: Services, traceparent: str | None) -> Job:
    return services.jobs.receive(
        username="ada@example.org", file_name="a.mp4", content_type="video/mp4", traceparent=traceparent
    )


def test_a_step_of_a_job_belongs_to_its_upload_s_trace_and_is_linked_to_another_request(
    services: Services, tracing: Finish, receiver: OtlpReceiver
) -> None:
    job = received(services, UPLOAD)
    request = begin_span("request", Kind.SERVER)
    own = trace_id()
    with job_span("convert", job), span("probe"):
        assert trace_id() == TRACE
        assert structlog.contextvars.get_contextvars().items() >= {"trace_id": TRACE, "job_id": job.id}.items()
    assert trace_id() == own != TRACE
    request.end()
    tracing()
    spans = {span.name: span for span in receiver.spans}
    assert (spans["convert"].trace_id, spans["convert"].parent_id) == (TRACE, PARENT)
    assert spans["convert"].links == [(spans["request"].trace_id, spans["request"].span_id)]
    assert (spans["probe"].trace_id, spans["probe"].parent_id) == (TRACE, spans["convert"].span_id)


@pytest.mark.parametrize("traceparent", [None, "of the same trace"])
def test_a_step_of_a_job_is_one_of_the_request_if_that_belongs_to_the_same_trace(
    services: Services, tracing: Finish, receiver: OtlpReceiver, traceparent: str | None
) -> None:
    request = begin_span("request", Kind.SERVER, parent=UPLOAD)
    with job_span("convert", received(services, UPLOAD if traceparent else None)):
        pass
    request.end()
    tracing()
    spans = {span.name: span for span in receiver.spans if span.kind in ("INTERNAL", "SERVER")}
    assert (spans["convert"].parent_id, spans["convert"].links) == (spans["request"].span_id, [])


def test_nothing_is_recorded_outside_a_request(services: Services, tracing: Finish, receiver: OtlpReceiver) -> None:
    with span("alone"):
        services.jobs.find("5f1d7f3e9b2c4d6e8f0a1b2c")
    tracing()
    assert receiver.spans == []


def test_a_thread_of_a_job_logs_its_trace_and_records_nothing(
    services: Services, tracing: Finish, receiver: OtlpReceiver
) -> None:
    seen: list[object] = []

    def renew() -> None:
        seen.extend([trace_id(), structlog.contextvars.get_contextvars()["job_id"], current_span()])
        services.jobs.find("5f1d7f3e9b2c4d6e8f0a1b2c")

    job = received(services, UPLOAD)
    with job_span("convert", job):
        thread = Thread(target=with_log_context(renew))
        thread.start()
        thread.join()
    tracing()
    assert seen == [TRACE, job.id, None]
    assert [span.name for span in receiver.spans] == ["convert"]


def test_an_error_is_recorded_by_its_code_unless_it_is_expected(tracing: Finish, receiver: OtlpReceiver) -> None:
    begin_span("request", Kind.SERVER)
    for name, error in (("ours", StoreUnavailable("secret words")), ("theirs", ValueError("secret words"))):
        with pytest.raises(type(error)), span(name):
            raise error
    with pytest.raises(ValueError, match="secret"), span("expected", expected=(ValueError,)):
        raise ValueError("secret words")
    tracing()
    errors = {span.name: span.attributes.get("error.type") for span in receiver.spans if span.failed}
    assert errors == {"ours": "store_unavailable", "theirs": "ValueError"}
    assert b"secret words" not in b"".join(receiver.bodies)


def test_a_failed_statement_is_recorded_as_failed(services: Services, tracing: Finish, receiver: OtlpReceiver) -> None:
    begin_span("request", Kind.SERVER)
    with pytest.raises(Exception, match="no such table"), services.database.engine.begin() as connection:
        connection.exec_driver_sql("SELECT secret FROM nowhere")
    tracing()
    assert [span.name for span in receiver.spans if span.failed] == ["SELECT nowhere"]


def test_a_recorded_store_does_what_the_store_does(services: Services, tracing: Finish, receiver: OtlpReceiver) -> None:
    begin_span("request", Kind.SERVER)
    job = received(services, UPLOAD)
    assert isinstance(services.videos, LocalFiles)
    assert isinstance(services.videos, LimitedSpace)
    services.videos.check()
    assert services.videos.free_bytes() > 0
    services.publisher.publish(event_for(replace(job, state="queued")))
    tracing()
    (published,) = (span for span in receiver.spans if span.kind == "PRODUCER")
    assert published.links == [(TRACE, PARENT)]
    assert (
        published.attributes.items()
        >= {
            "messaging.system": "sqlite",
            "messaging.destination.name": "dev.soundlift.video.uploaded",
            "messaging.operation.type": "send",
            "cloudevents.event_id": f"{job.id}.uploaded",
        }.items()
    )


@pytest.mark.parametrize(
    ("sampler", "share", "caller", "recorded"),
    [
        ("always_off", 1.0, "01", 0),
        ("parentbased_always_on", 1.0, "01", 1),
        ("parentbased_always_on", 1.0, "00", 0),
        ("always_on", 1.0, "00", 1),
        ("traceidratio", 0.0, "01", 0),
        ("parentbased_traceidratio", 0.0, "01", 1),
    ],
)
def test_the_sampler_decides_what_is_recorded_and_logs_have_a_trace_id_anyway(
    traced_settings: Settings, receiver: OtlpReceiver, tracing: Finish, sampler: str, share: float, caller: str,
    recorded: int,
) -> None:  # fmt: skip
    tracing()
    start_tracing(replace(traced_settings, otel_traces_sampler=sampler, otel_traces_sampler_arg=share), "test")
    request = begin_span("request", Kind.SERVER, parent=f"00-{TRACE}-{PARENT}-{caller}")
    assert trace_id() == TRACE
    assert request.traceparent.endswith(f"-0{recorded}")
    with span("step"):
        pass
    request.end()
    tracing()
    assert len(receiver.spans) == 2 * recorded


def test_a_forked_process_records_on_its_own(tracing: Finish, receiver: OtlpReceiver) -> None:
    begin_span("before", Kind.SERVER).end()
    if (pid := os.fork()) == 0:
        begin_span("in the fork", Kind.SERVER).end()
        tracing()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    tracing()
    assert sorted(span.name for span in receiver.spans) == ["before", "in the fork"]


@pytest.fixture(autouse=True)
def _no_span_left() -> None:
    leave()
