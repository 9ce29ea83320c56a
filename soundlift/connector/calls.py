"""Calls functions over HTTP."""

from __future__ import annotations

from collections.abc import Mapping

import urllib3
from cloudevents.core.v1.event import CloudEvent
from urllib3.exceptions import HTTPError

from soundlift.common.events import to_http
from soundlift.common.logging import current_traceparent
from soundlift.connector.verdict import Answer

CONNECT_SECONDS = 10
LARGEST_REPLY = 2**20


class Caller:
    """Posts events to functions; safe to share between threads.

    `user` is the header that logs in to the gateway, where it wants a login for calls, too. It is sent to addresses
    below `gateway_url` only.
    """

    def __init__(
        self, *, timeout: float, connections: int, gateway_url: str = "", user: Mapping[str, str] | None = None
    ) -> None:
        self._gateway_url = gateway_url
        self._user = user or {}
        self._http = urllib3.PoolManager(
            maxsize=connections, timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=timeout), retries=False
        )

    def call(self, url: str, event: CloudEvent) -> Answer:
        """Post an event in structured mode, and return what came of it; never raises.

        A reply beyond the limit is cut off, which makes an event unreadable.
        """
        headers, body = to_http(event)
        if traceparent := current_traceparent():
            headers["traceparent"] = traceparent
        if url.startswith(f"{self._gateway_url}/"):
            headers |= self._user
        try:
            with self._http.request(
                "POST", url, body=body, headers=headers, redirect=False, preload_content=False
            ) as response:
                names = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status, names, response.read(LARGEST_REPLY))
        except HTTPError as error:
            return Answer(None, error=f"The function did not answer: {error}")
