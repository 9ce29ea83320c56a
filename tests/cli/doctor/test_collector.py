"""Whether a collector accepts spans, and why it does not."""

from __future__ import annotations

import socket

import pytest

from devservers.otlp_receiver import OtlpReceiver
from devservers.ports import free_port
from tests.cli.doctor.conftest import Examine, of

pytestmark = pytest.mark.slow


def test_a_collector_that_accepts_spans_is_ok_and_gets_none(examine: Examine) -> None:
    with OtlpReceiver() as receiver:
        found = of(
            examine(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url, OTEL_EXPORTER_OTLP_HEADERS="x-token=of%20ours"), "traces"
        )
        assert [status for status, _, _ in found] == ["ok"]
        assert [headers["x-token"] for headers in receiver.headers] == ["of ours"]
        assert receiver.spans == []


def test_each_fault_of_a_collector_is_explained(examine: Examine) -> None:
    assert of(examine(), "traces") == []
    with OtlpReceiver() as receiver, socket.create_server(("127.0.0.1", 0)) as silent:
        for url, expected in (
            (f"{receiver.url}/v1/traces", "returned 404"),
            (f"http://127.0.0.1:{free_port()}", "does not answer"),
            (f"http://127.0.0.1:{silent.getsockname()[1]}", "does not answer"),
        ):
            ((status, detail, advice),) = of(examine(OTEL_EXPORTER_OTLP_ENDPOINT=url), "traces")
            assert status == "failed"
            assert expected in detail
            assert "4318" in advice
