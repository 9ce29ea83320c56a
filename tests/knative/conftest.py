"""The functions behind Knative's broker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import pytest
import urllib3

from devservers.knative_broker import KnativeBroker, WsgiServer
from devservers.waiting import wait_for
from soundlift.common.events import (
    CONVERSION_FAILED,
    DELIVERY_DUE,
    IMPORT_REQUESTED,
    MP3_READY,
    VIDEO_UPLOADED,
)
from soundlift.common.services import Services
from tests.factories.accounts import bearer
from tests.factories.clips import talking_mp4
from tests.factories.jobs import age, is_notified

MINUTES = 70
FUNCTIONS = ("upload", "fetch", "convert", "notify", "webhook", "cleanup")


@dataclass(frozen=True)
class Knative:
    """A broker, and the address of each function."""

    broker: KnativeBroker
    urls: dict[str, str]
    services: Services

    def upload(self, video: Path) -> str:
        headers = {**bearer(self.services), "X-Filename": video.name}
        response = urllib3.request("POST", self.urls["upload"], headers=headers, body=video.read_bytes())
        assert response.status == 202
        return str(response.json()["job_id"])

    def settle(self) -> None:
        wait_for(lambda: self.broker.is_idle, "all events are delivered, lost or dead-lettered")

    def skip_minutes(self) -> None:
        """Make every scheduled job due and call cleanup, as PingSource does every minute."""
        for job in self.services.jobs.page(None):
            age(self.services, job, MINUTES * 60)
        assert urllib3.request("POST", self.urls["cleanup"], body=b"{}").status == 200

    def all_are_notified(self) -> bool:
        return all(is_notified(self.services, job.id) for job in self.services.jobs.page(None))


@pytest.fixture
def knative(mailing_services: Services) -> Iterator[Knative]:
    with ExitStack() as stack:
        broker = stack.enter_context(KnativeBroker())
        sink = stack.enter_context(WsgiServer(broker))
        services = mailing_services
        services.settings = replace(services.settings, broker_url=sink.url)
        urls = {}
        for name in FUNCTIONS:
            app = import_module(f"functions.{name}.handler").app
            app.services = services
            urls[name] = stack.enter_context(WsgiServer(app)).url
        broker.triggers = [
            (IMPORT_REQUESTED, urls["fetch"]),
            (VIDEO_UPLOADED, urls["convert"]),
            (MP3_READY, urls["notify"]),
            (CONVERSION_FAILED, urls["notify"]),
            *((event, urls["webhook"]) for event in (MP3_READY, CONVERSION_FAILED, DELIVERY_DUE)),
        ]
        yield Knative(broker, urls, services)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return talking_mp4(tmp_path)
