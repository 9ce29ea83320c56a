"""The reasons why a file cannot be imported."""

from __future__ import annotations

from soundlift.common.outbound.errors import (
    AddressRefused,
    BadUrl,
    OutboundError,
    ResponseTimeout,
    ResponseTooLarge,
)

REFUSED = "import_refused"
FAILED = "import_failed"
TIMEOUT = "import_timeout"
TOO_LARGE = "import_too_large"
NOT_MEDIA = "not_media"
STORAGE_FULL = "storage_full"
IMPORT_CODES = (REFUSED, FAILED, TIMEOUT, TOO_LARGE, NOT_MEDIA, STORAGE_FULL)
CODES = {BadUrl: REFUSED, AddressRefused: REFUSED, ResponseTimeout: TIMEOUT, ResponseTooLarge: TOO_LARGE}


class ImportFailed(Exception):
    """A file that cannot be imported: a code for programs and a message for its owner.

    If `is_transient`, another attempt may succeed, after `retry_after` seconds or later.
    """

    def __init__(self, code: str, message: str, *, is_transient: bool = False, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.is_transient = is_transient
        self.retry_after = retry_after


def import_failure(error: OutboundError) -> ImportFailed:
    """Return the failure that an error of a request means."""
    return ImportFailed(CODES.get(type(error), FAILED), error.detail, is_transient=error.is_transient)
