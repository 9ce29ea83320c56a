"""A test that takes the place of convert: it decides how far a conversion is, and how it ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from devservers.local_stack import Stack
from devservers.waiting import wait_for
from soundlift.common.jobs.model import Claim
from soundlift.common.services import Services
from tests.factories.jobs import MP3_SOUND, job_now
from tests.factories.media import store


@contextmanager
def paused_connector(stack: Stack) -> Iterator[None]:
    """Deliver no event in the meantime, so that uploaded videos stay queued."""
    wait_for(lambda: stack.child("soundlift.connector"), "the connector is running")
    connector = stack.child("soundlift.connector")
    assert connector is not None
    os.kill(connector.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(connector.pid, signal.SIGCONT)


class Conversion:
    """The conversion of a queued job."""

    def __init__(self, services: Services, job_id: str) -> None:
        self._services = services
        claim = services.jobs.claim(job_now(services, job_id))
        assert claim is not None
        self._claim: Claim = claim

    def advance(self, percent: int) -> None:
        assert self._services.jobs.renew(self._claim, percent=percent)

    def fail(self, code: str, sentence: str) -> None:
        assert self._services.jobs.mark_failed(self._claim, code=code, message=sentence)

    def finish(self, mp3: bytes, length: float) -> None:
        store(self._services.mp3s, self._claim.mp3_fid, mp3)
        assert self._services.jobs.mark_ready(self._claim, audio=MP3_SOUND, mp3_bytes=len(mp3), length=length)
