"""Hostile header fields, tokens and ranges."""

from __future__ import annotations

import base64

from tests.api.hostile.request import FUNCTIONS, HEADERS, MANY_DIGITS, TOKEN_FUNCTIONS, Hostile

HEADER_NAMES = [
    "Authorization",
    "Cookie",
    "Content-Type",
    "Content-Encoding",
    "Content-Disposition",
    "Accept",
    "Traceparent",
    "Range",
    "If-Range",
    "If-None-Match",
    "If-Match",
    "If-Modified-Since",
    "If-Unmodified-Since",
    "X-Filename",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "Ce-Id",
    "Ce-Time",
    "Ce-Specversion",
    "Ce-Knativeerrordest",
]


def header_requests() -> list[Hostile]:
    methods = {"download": "GET", "jobs": "GET"}
    return [
        Hostile(
            function,
            f"{name}: {label}",
            method=methods.get(function, "POST"),
            headers={name: text},
            body=b"{}",
            path="/READY" if function == "jobs" else "/",
            query="fid=READY" if function == "download" else "",
        )
        for function in FUNCTIONS
        for name in HEADER_NAMES
        for label, text in HEADERS.items()
    ]


def token_requests() -> list[Hostile]:
    def part(content: bytes) -> str:
        return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

    heads = {
        "head nested deep": b"[" * 2900,
        "objects nested deep in the head": b'{"a":' * 580,
        "head with many digits": b'{"alg": ' + b"9" * 2900 + b"}",
        "head is a list": b"[]",
        "algorithm is a number": b'{"alg": 1, "typ": null}',
        "algorithm is a list": b'{"alg": ["HS256"]}',
        "key id is a list": b'{"alg": "HS256", "kid": [1]}',
        "critical": b'{"alg": "HS256", "crit": ["b64"], "b64": false}',
        "head with half a surrogate pair": b'{"alg": "\\ud800"}',
        "head is not UTF-8": b"\xff\xfe",
    }
    claims = part(b'{"sub": "a"}')
    tokens = {label: f"{part(head)}.{claims}.c" for label, head in heads.items()}
    tokens |= {
        "dots": "." * 4000,
        "not ASCII": "\xe9.\xff.\x80",
        "NUL": "a\0.b.c",
    }
    found = [
        Hostile(
            function,
            f"token: {label}",
            method="GET" if function in ("jobs", "download") else "POST",
            headers={"Authorization": f"Bearer {token}"},
            body=b"",
        )
        for function in TOKEN_FUNCTIONS
        for label, token in tokens.items()
    ]
    found += [
        Hostile("download", f"link: {label}", method="GET", query={"fid": "READY", "token": token})
        for label, token in tokens.items()
    ]
    return found


def range_requests() -> list[Hostile]:
    ranges = [
        f"bytes={MANY_DIGITS}-",
        f"bytes=0-{MANY_DIGITS}",
        f"bytes=-{MANY_DIGITS}",
        "bytes=١-٢",
        "bytes=0-0," * 1000,
        "bytes=--1",
        "bytes=",
        "bytes=-0",
        "bytes=5-1",
        "lines=0-1",
        "bytes=0-1;",
        "bytes=-1-",
        "bytes=9-9",
        "=",
        "bytes",
    ]
    dates = [
        "Mon, 01 Jan 99999 00:00:00 GMT",
        "Mon, 01 Jan 0000 00:00:00 GMT",
        "Mon, 99 Jan 2024 00:00:00 GMT",
        f"Mon, 01 Jan {MANY_DIGITS} 00:00:00 GMT",
        "Mon, 01 Jan 2024 00:00:00 +999999",
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "W/",
        '"',
        'W/"a',
        '"a", ' * 1000,
    ]
    latin = [text.encode().decode("latin-1") for text in ranges]
    found = [
        Hostile("download", f"Range {text[:20]}", method=method, query="fid=READY", headers={"Range": text})
        for text in latin
        for method in ("GET", "HEAD")
    ]
    for text in dates:
        for name in ("If-Range", "If-Modified-Since", "If-Unmodified-Since", "If-None-Match"):
            headers = {name: text, "Range": "bytes=0-1"}
            found.append(Hostile("download", f"{name} {text[:30]}", method="GET", query="fid=READY", headers=headers))
    return found
