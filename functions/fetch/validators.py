"""What shows that two responses have parts of the same file, so that a download can be resumed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime

STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e\x80-\xff]*"')  # RFC 9110, section 8.8.3
CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/(?:([0-9]{1,18})|\*)", re.IGNORECASE)
# A date is a strong validator only if the file did not change again in the same second. The clocks of the server that
# wrote the file and the one that sent it may differ, so the dates must as well (RFC 9110, section 8.8.2.2).
MIN_AGE = timedelta(seconds=60)


def strong_validator(headers: Mapping[str, str]) -> str | None:
    """Return what a request to resume may send as If-Range (RFC 9110, section 13.1.5); None if there is nothing."""
    etag = headers.get("etag", "").strip()
    if etag:
        return etag if STRONG_ETAG.fullmatch(etag) else None
    modified = headers.get("last-modified", "").strip()
    try:
        is_old = parsedate_to_datetime(headers.get("date", "")) - parsedate_to_datetime(modified) >= MIN_AGE
    except (TypeError, ValueError, OverflowError):
        return None
    return modified if is_old else None


def is_rest(headers: Mapping[str, str], *, offset: int, length: int | None) -> bool:
    """Return whether a partial response has the bytes from `offset` to the end of a file (RFC 9110, section 14.4)."""
    found = CONTENT_RANGE.fullmatch(headers.get("content-range", "").strip())
    if not found or int(found[1]) != offset:
        return False
    total = int(found[3]) if found[3] else length
    return total is not None and length in (None, total) and int(found[2]) == total - 1
