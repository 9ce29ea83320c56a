"""Strict parsing of JSON that a client sent."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def read_json(text: str | bytes) -> Any:
    """Return a JSON document; raises ValueError if it is not JSON, nested too deeply, or not encodable as UTF-8."""
    try:
        document = json.loads(text, parse_constant=_reject)
    except RecursionError:
        raise ValueError("The JSON is nested too deeply.") from None
    check_text(document)
    return document


def check_text(document: object) -> None:
    """Raise ValueError unless every string of a document can be encoded as UTF-8.

    JSON can escape half of a surrogate pair (RFC 8259, section 8.2). Python reads it as a character that no database
    driver, hash function or header accepts.
    """
    try:
        json.dumps(document, ensure_ascii=False, default=str).encode()
    except RecursionError:
        raise ValueError("The JSON is nested too deeply.") from None


def _reject(constant: str) -> NoReturn:
    """Reject NaN and Infinity, which Python's parser accepts but JSON does not allow (RFC 8259, section 6)."""
    raise ValueError(f"{constant} is not JSON.")
