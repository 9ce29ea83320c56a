"""Repetition of requests while a server restarts, is busy, or cannot be reached."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import TypeVar

from soundlift.client.errors import ApiError, ClientError, ConnectionFailed

Result = TypeVar("Result")
OnRetry = Callable[[ClientError, float], None]
"""A callback that gets the reason of a repetition and the pause before it, in seconds."""

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0
LONGEST_WAIT = 60.0  # suggested by a server
LONGEST_LOCK = 5.0  # of an account: a person who waits for the sign-in should know about a longer one
FIRST_CONTACT_TRIES = 4
BUSY = frozenset(
    (
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    )
)


def is_temporary(error: ClientError) -> bool:
    """Return whether a request without side effects may succeed if it is repeated."""
    if isinstance(error, ApiError):
        longest = LONGEST_LOCK if error.code == "too_many_attempts" else LONGEST_WAIT
        is_busy = error.status in BUSY or error.code == "upload_in_progress"
        return is_busy and error.code != "storage_full" and (error.retry_after or 0) <= longest
    return isinstance(error, ConnectionFailed) and error.temporary


def is_unprocessed(error: ClientError) -> bool:
    """Return whether the server has not acted on a request, and may accept it if it is repeated."""
    if isinstance(error, ApiError):
        return error.status == HTTPStatus.TOO_MANY_REQUESTS and is_temporary(error)
    return isinstance(error, ConnectionFailed) and error.unsent


class Retries:
    """The rule for how long requests are repeated: `seconds` from the first failure of each.

    Until the server has answered once, a request is tried only a few times, since the address may be wrong. Threads may
    share an object.
    """

    def __init__(self, seconds: float, on_retry: OnRetry | None) -> None:
        self.seconds = seconds
        self.on_retry = on_retry
        self._contacted = False

    def run(self, attempt: Callable[[], Result], may_repeat: Callable[[ClientError], bool] = is_temporary) -> Result:
        """Return the result of an attempt, after repeating it while `may_repeat` allows; raises its last error."""
        pauses = self.pauses()
        while True:
            try:
                result = attempt()
            except ClientError as error:
                self._contacted |= isinstance(error, ApiError)
                self.pause(error, pauses, may_repeat)
            else:
                self._contacted = True
                return result

    def pause(self, error: ClientError, pauses: Iterator[float], may_repeat: Callable[[ClientError], bool]) -> None:
        """Sleep until the next try; raises the error if there is none."""
        if not may_repeat(error):
            raise error
        seconds = next(pauses, None)
        if seconds is None:
            raise error
        if isinstance(error, ApiError) and error.retry_after is not None:
            seconds = max(seconds, error.retry_after)
        if self.on_retry:
            self.on_retry(error, seconds)
        time.sleep(seconds)

    def pauses(self) -> Iterator[float]:
        """Yield the pauses before each repetition, from the first failure on."""
        started = time.monotonic()
        tries, pause = 1, FIRST_PAUSE
        while time.monotonic() - started < self.seconds and (self._contacted or tries < FIRST_CONTACT_TRIES):
            yield pause
            tries, pause = tries + 1, min(2 * pause, LONGEST_PAUSE)
