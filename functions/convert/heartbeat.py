"""The heartbeat of a conversion, which also stops it after its maximum time."""

from __future__ import annotations

import time

from soundlift.common.jobs.heartbeat import ClaimHeartbeat
from soundlift.common.jobs.model import Claim
from soundlift.common.services import Services

from .failures import TOO_LONG, ConversionFailed


class ConversionHeartbeat(ClaimHeartbeat):
    """The heartbeat of a claim to convert, whose reason to stop may also be ConversionFailed."""

    def __init__(self, claim: Claim, services: Services) -> None:
        super().__init__(self._renew_in_time, services)
        self.claim = claim
        self._began = time.monotonic()

    def _renew_in_time(self, percent: int) -> bool:
        if time.monotonic() - self._began > self._services.settings.max_conversion_seconds:
            raise ConversionFailed(TOO_LONG)
        return self._services.jobs.renew(self.claim, percent=percent)
