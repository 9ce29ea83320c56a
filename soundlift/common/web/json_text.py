"""Reads JSON that a client sent, and refuses what is nested too deep or cannot be encoded again."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def read_json(text: str | bytes) -> Any:
    """Return a JSON document; raises ValueError for all that check_text raises it for, and what is not JSON."""
    try:
        document = json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("The JSON is nested too deep.") from None
    check_text(document)
    return document


def check_text(document: object) -> None:
    """Raise ValueError unless every string of a document can be encoded.

    JSON can spell half of a surrogate pair (RFC 8259, section 8.2). Python reads it as a character, which no
    database driver, hash function or header takes.
    """
    try:
        json.dumps(document, ensure_ascii=False, default=str).encode()
    except RecursionError:
        raise ValueError("The JSON is nested too deep.") from None


def _refuse(constant: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python's reader takes and JSON does not have (RFC 8259, section 6)."""
    raise ValueError(f"{constant} is not JSON.")
