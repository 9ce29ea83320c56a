"""The counter of dropped clients."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from soundlift.common.web.drop_counter import DropCounter


def test_dropped_clients_are_logged_at_most_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("soundlift.common.web.drop_counter.time", SimpleNamespace(monotonic=lambda: now))
    clients = DropCounter()
    with capture_logs() as logs:
        for reason, seconds in (("slow", 0), ("slow", 0.5), ("large", 0.6), (None, 5), ("slow", 5)):
            now += seconds
            if reason:
                clients.add(reason)
            clients.log()
    assert [line["since_start"] for line in logs] == [{"slow": 1}, {"slow": 2, "large": 1}, {"slow": 3, "large": 1}]
    assert {line["log_level"] for line in logs} == {"warning"}
