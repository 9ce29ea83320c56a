"""Sends events to a CloudEvents sink, such as Knative's broker; who takes them from there is the sink's business."""

from __future__ import annotations

from typing import Any

import urllib3
from cloudevents.core.v1.event import CloudEvent
from urllib3.exceptions import HTTPError

from soundlift.common.errors import BrokerUnavailable
from soundlift.common.events import to_http

PATIENCE = urllib3.Timeout(connect=2, read=10)


class HttpSink:
    """Is the publishing side of a broker; the sink's 2xx is the confirmation, and it alone."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = urllib3.PoolManager(maxsize=8, timeout=PATIENCE, retries=False)

    def publish(self, event: CloudEvent) -> None:  # noqa: D102 - the port says it
        headers, body = to_http(event)
        status = self._status_of("POST", body=body, headers=headers)
        if not 200 <= status < 300:
            raise BrokerUnavailable("The sink did not take the event.", status=status)

    def check(self) -> None:
        """Ask with a GET: Knative's ingress answers 405, which is an answer."""
        status = self._status_of("GET")
        if status >= 500:
            raise BrokerUnavailable("The sink is not ready.", status=status)

    def _status_of(self, method: str, **request: Any) -> int:
        try:
            return self._http.request(method, self._url, redirect=False, **request).status
        except HTTPError as error:
            raise BrokerUnavailable("The sink does not answer.", cause=str(error)) from None
