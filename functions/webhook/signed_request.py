"""One attempt at a delivery: a signed request (Standard Webhooks 1.0), and what the response means."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from standardwebhooks import Webhook

from soundlift.common.outbound.client import OutboundClient
from soundlift.common.outbound.errors import OutboundError
from soundlift.common.outbound.limits import OutboundLimits
from soundlift.common.outbound.request import OutboundRequest
from soundlift.common.outbound.response import OutboundResponse
from soundlift.common.webhooks.model import Delivery, Endpoint, Failure

TIMEOUT_SECONDS = 20.0  # Standard Webhooks, "Deliverability": 15 to 30 s
CONNECT_SECONDS = 10.0
READ_BYTES = 64 * 2**10  # of the body of a response, which has no meaning
UNLIMITED_BYTES = 2**62  # a long body is no error, since it is not read
MAX_DIGITS = 9


@dataclass(frozen=True)
class Accepted:
    """A response that accepts the message."""

    status: int


def send(delivery: Delivery, endpoint: Endpoint, body: bytes, client: OutboundClient) -> Accepted | Failure:
    """Make one attempt, and return its outcome; redirects are not followed."""
    limits = OutboundLimits(
        connect_seconds=CONNECT_SECONDS,
        head_seconds=TIMEOUT_SECONDS,
        idle_seconds=TIMEOUT_SECONDS,
        total_seconds=TIMEOUT_SECONDS,
        max_bytes=UNLIMITED_BYTES,
    )
    headers = signed_headers(delivery, endpoint, body, moment=time.time())
    request = OutboundRequest(url=endpoint.url, method="POST", headers=headers, body=body, limits=limits)
    try:
        with client.open(request) as response:
            _read_some(response)
            return _outcome(response.status, response.headers.get("Retry-After", ""))
    except OutboundError as error:
        return Failure(error.detail)


def signed_headers(delivery: Delivery, endpoint: Endpoint, body: bytes, *, moment: float) -> dict[str, str]:
    """Return the headers of an attempt at a moment in seconds since 1970, signed with each secret that is valid."""
    at = datetime.fromtimestamp(int(moment), UTC)
    signatures = [Webhook(secret).sign(delivery.id, at, body.decode()) for secret in _secrets(endpoint, moment)]
    return {
        "Content-Type": "application/json",
        "webhook-id": delivery.id,
        "webhook-timestamp": str(int(moment)),
        "webhook-signature": " ".join(signatures),
    }


def _secrets(endpoint: Endpoint, moment: float) -> list[str]:
    """Return the secret and, for a while after a rotation, the previous one.

    The clock of this machine is close enough to the database's for the end of this while.
    """
    if endpoint.previous_secret and endpoint.previous_until and moment < endpoint.previous_until:
        return [endpoint.secret, endpoint.previous_secret]
    return [endpoint.secret]


def _read_some(response: OutboundResponse) -> None:
    """Read a short body completely, so that the receiver sees no broken connection; whatever happens then, it counts.

    The status, which has arrived, is all that matters.
    """
    left = READ_BYTES
    with suppress(OutboundError):
        while left > 0 and (block := response.read(left)):
            left -= len(block)


def _outcome(status: int, retry_after: str) -> Accepted | Failure:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Accepted(status)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return Failure(f"The endpoint answered with the status {status}; redirects are not followed.", status)
    return Failure(f"The endpoint answered with the status {status}.", status, _seconds(retry_after))


def _seconds(retry_after: str) -> float:
    """Return Retry-After in seconds, given as a number or a date (RFC 9110, section 10.2.3); 0 without one."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:MAX_DIGITS])
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
