"""Timeouts and retries of the client's requests, and the errors of its connections."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import urllib3

from soundlift.client.errors import ConnectionFailed

CONNECT_SECONDS = 20
TIMEOUT = urllib3.Timeout(connect=CONNECT_SECONDS, read=120)
RETRIES = urllib3.Retry(
    total=3, backoff_factor=0.2, status_forcelist=[429, 502, 503, 504], allowed_methods=["GET"], raise_on_status=False
)
LOGIN_RETRIES = RETRIES.new(allowed_methods=["POST"])  # signing in has no side effects, so it can be repeated


@contextmanager
def connection_errors(url: str = "The server") -> Iterator[None]:
    """Raise ConnectionFailed, with a sentence about `url`, in place of urllib3's errors."""
    try:
        yield
    except urllib3.exceptions.HTTPError as error:
        reason = error.reason if isinstance(error, urllib3.exceptions.MaxRetryError) else error
        match reason:
            case urllib3.exceptions.NewConnectionError():
                raise ConnectionFailed(f"{url} cannot be reached ({_system_message(reason)}).") from None
            case urllib3.exceptions.ConnectTimeoutError():
                raise ConnectionFailed(f"{url} cannot be reached (no answer within {CONNECT_SECONDS} s).") from None
            case _:
                raise ConnectionFailed(f"{url} did not give a valid answer: {reason}") from None


def _system_message(error: urllib3.exceptions.NewConnectionError) -> str:
    """Return the operating system's message about a failed connection."""
    cause = error.__cause__
    return (cause.strerror if isinstance(cause, OSError) else None) or str(error)
