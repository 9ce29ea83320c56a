"""Sends events to a CloudEvents sink such as Knative's broker, which delivers them to its subscribers."""

from __future__ import annotations

from typing import Any

import urllib3
from cloudevents.core.v1.event import CloudEvent
from urllib3.exceptions import HTTPError

from soundlift.common.errors import BrokerUnavailable
from soundlift.common.events import to_http

TIMEOUT = urllib3.Timeout(connect=2, read=10)


class HttpSink:
    """The publishing side of a broker; only a 2xx from the sink counts as confirmation."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = urllib3.PoolManager(maxsize=8, timeout=TIMEOUT, retries=False)

    def publish(self, event: CloudEvent) -> None:  # noqa: D102 - documented at the port
        headers, body = to_http(event)
        status = self._status("POST", body=body, headers=headers)
        if not 200 <= status < 300:
            raise BrokerUnavailable("The sink did not accept the event.", status=status)

    def check(self) -> None:
        """Send a GET; any status below 500 is fine, such as the 405 of Knative's ingress."""
        status = self._status("GET")
        if status >= 500:
            raise BrokerUnavailable("The sink is not ready.", status=status)

    def _status(self, method: str, **request: Any) -> int:
        try:
            return self._http.request(method, self._url, redirect=False, **request).status
        except HTTPError as error:
            raise BrokerUnavailable("The sink does not answer.", cause=str(error)) from None
