"""The parts of all hostile requests: functions, texts, and header values."""

from __future__ import annotations

from dataclasses import dataclass, field

FUNCTIONS = [
    "login",
    "validate",
    "upload",
    "download",
    "jobs",
    "hooks",
    "cleanup",
    "fetch",
    "convert",
    "notify",
    "webhook",
]
EVENT_FUNCTIONS = ["fetch", "convert", "notify", "webhook"]
TOKEN_FUNCTIONS = ["validate", "upload", "download", "jobs"]

NESTED = b"[" * 7000 + b"]" * 7000  # deeper than Python's JSON parser allows, within login's size limit
NESTED_OBJECT = b'{"a":' * 2500 + b"1" + b"}" * 2500
MANY_DIGITS = "9" * 5000  # more than int() accepts: sys.get_int_max_str_digits()
TEXTS = {
    "half a surrogate pair": "\ud800",
    "two low surrogates": "\udc00\udfff",
    "NUL": "a\0b",
    "non-ASCII digits": "١٢٣",
    "many digits": MANY_DIGITS,
    "a negative number": "-1",
    "a number with an exponent": "1e400",
    "beyond the Basic Multilingual Plane": "\U0001d11e" * 24,
    "a new line": "a\r\nX-Injected: b",
    "only spaces": " \u00a0\u2003",
    "very long": "ä" * 70_000,
    "nested comments": "(" * 5000 + "@example.org",
    "many labels": "a." * 20_000 + "@example.org",
}
HEADERS = {
    "latin-1": "\xe9\xff",
    "UTF-8": "é\u20ac".encode().decode("latin-1"),
    "invalid UTF-8": b"\xff\xfe\x80".decode("latin-1"),
    "control characters": "a\x01\x7fb",
    "many digits": MANY_DIGITS,
    "quotes": '"\\"; "=; ,=,',
    "encoded words": "=?utf-8?b?/w==?= a*=UTF-8''%ED%A0%80",
    "very long": "a" * 8000,
}


@dataclass(frozen=True)
class Hostile:
    """One hostile request."""

    function: str
    description: str
    path: str = "/"
    method: str = "POST"
    query: dict[str, str] | str = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
