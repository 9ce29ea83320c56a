"""Calls functions over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import urllib3
from cloudevents.core.v1.event import CloudEvent
from urllib3.exceptions import HTTPError

from soundlift.common.events import to_http
from soundlift.common.logging import current_traceparent

CONNECT_SECONDS = 10
MAX_RESPONSE_BYTES = 2**20


@dataclass(frozen=True)
class FunctionResponse:
    """A function's response with lower-case header names; without a status, `error` says why there was none."""

    status: int | None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    error: str = ""


class FunctionClient:
    """An HTTP client that posts events to functions; thread-safe.

    `login` is the header that logs in to a gateway that requires it for calls. It is sent only to addresses below
    `gateway_url`.
    """

    def __init__(
        self, *, timeout: float, connections: int, gateway_url: str = "", login: Mapping[str, str] | None = None
    ) -> None:
        self._gateway_url = gateway_url
        self._login = login or {}
        self._http = urllib3.PoolManager(
            maxsize=connections, timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=timeout), retries=False
        )

    def call(self, url: str, event: CloudEvent) -> FunctionResponse:
        """Post an event in structured mode and return the response; never raises.

        A body is truncated at MAX_RESPONSE_BYTES, and an event in a truncated body cannot be read.
        """
        headers, body = to_http(event)
        if traceparent := current_traceparent():
            headers["traceparent"] = traceparent
        if url.startswith(f"{self._gateway_url}/"):
            headers |= self._login
        try:
            with self._http.request(
                "POST", url, body=body, headers=headers, redirect=False, preload_content=False
            ) as response:
                names = {name.lower(): value for name, value in response.headers.items()}
                return FunctionResponse(response.status, names, response.read(MAX_RESPONSE_BYTES))
        except HTTPError as error:
            return FunctionResponse(None, error=f"The function did not answer: {error}")
