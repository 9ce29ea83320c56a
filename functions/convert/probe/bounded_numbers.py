"""Numbers in text that a media file controls, whose digits are limited before anything is computed."""

from __future__ import annotations

import re

MIN_INT64, MAX_INT64 = -(2**63), 2**63 - 1
# Of ASCII digits, and few enough for int(), which refuses more than 4,300, and for float(), which is never infinite.
INTEGER = re.compile(r"-?[0-9]{1,19}")
DECIMAL = re.compile(r"-?[0-9]{1,19}(?:\.[0-9]{1,9})?")


def read_integer(text: str, *, minimum: int = MIN_INT64, maximum: int = MAX_INT64) -> int | None:
    """Return the integer in a text, None if it is not one from `least` to `most`."""
    if INTEGER.fullmatch(text) is None:
        return None
    number = int(text)
    return number if minimum <= number <= maximum else None


def read_decimal(text: str) -> float | None:
    """Return the decimal number in a text, finite and without an exponent, None if it is not one."""
    return float(text) if DECIMAL.fullmatch(text) else None
