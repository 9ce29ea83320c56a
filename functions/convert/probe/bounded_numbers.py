"""Numbers in text that a media file controls; the number of digits is limited before they are parsed."""

from __future__ import annotations

import re

MIN_INT64, MAX_INT64 = -(2**63), 2**63 - 1
# ASCII digits only, and few enough that int(), which rejects more than 4,300, succeeds and float() is never infinite.
INTEGER = re.compile(r"-?[0-9]{1,19}")
DECIMAL = re.compile(r"-?[0-9]{1,19}(?:\.[0-9]{1,9})?")


def read_integer(text: str, *, minimum: int = MIN_INT64, maximum: int = MAX_INT64) -> int | None:
    """Return the integer in a text, or None if the text is not an integer from `minimum` to `maximum`."""
    if INTEGER.fullmatch(text) is None:
        return None
    number = int(text)
    return number if minimum <= number <= maximum else None


def read_decimal(text: str) -> float | None:
    """Return the decimal number in a text, or None if the text is not a finite number without an exponent."""
    return float(text) if DECIMAL.fullmatch(text) else None
