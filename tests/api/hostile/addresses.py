"""Hostile paths, queries and Content-Lengths."""

from __future__ import annotations

from urllib.parse import quote

from tests.api.hostile.request import FUNCTIONS, MANY_DIGITS, NESTED, NESTED_OBJECT, TEXTS, Hostile
from tests.factories.jobs import MP4

LINK_BODIES = {
    "nested": NESTED,
    "nested object": NESTED_OBJECT,
    "half a surrogate pair": b'{"jobs": ["\\ud800"]}',
    "numbers": b'{"jobs": [1, 1e999, true]}',
    "NaN": b'{"jobs": NaN}',
    "latin-1": b'{"jobs": ["\xff"]}',
    "lists": b'{"jobs": [[], {}]}',
    "many": b'{"jobs": [' + b'"",' * 5000 + b'""]}',
}


def query_requests() -> list[Hostile]:
    texts = {label: text for label, text in TEXTS.items() if "surrogate" not in label}
    named = {
        "jobs": ("wait", "limit", "after", "q", "state", "user", "changed_since"),
        "download": ("fid", "job", "jobs", "token"),
        "login": ("limit", "after"),
        "upload": (
            "bitrate",
            "start",
            "end",
            "track",
            "normalize",
            "quality",
            "sample_rate",
            "channels",
            "tag.title",
            "tag.date",
            "tag.track",
        ),
    }
    found = []
    for name, keys in named.items():
        method = "POST" if name == "upload" else "GET"
        for key in keys:
            path = "/users" if name == "login" else "/"
            found += [
                Hostile(name, f"{key}={label}", path, method, {key: text}, body=MP4 if name == "upload" else b"")
                for label, text in texts.items()
            ]
            found += [
                Hostile(name, f"{key}={raw}", path, method, f"{key}={raw}", body=MP4 if name == "upload" else b"")
                for raw in ("%ED%A0%80", "%FF%FE", "%", "%00", "\xff", "1%", "&" * 2000, f"1&{key}=1")
            ]
    found += [
        Hostile("jobs", f"wait of a job: {label}", method="GET", path="/READY", query={"wait": text})
        for label, text in texts.items()
    ]
    found += [
        Hostile("jobs", f"{action} of {label}", path=f"/{quote(text[:2000])}/{action}", body=b"{}")
        for label, text in texts.items()
        for action in ("link", "retry")
    ]
    found += [Hostile("jobs", f"links: {label}", path="/links", body=body) for label, body in LINK_BODIES.items()]
    return found


def path_requests() -> list[Hostile]:
    paths = [
        "/%ED%A0%80",
        "/%FF",
        "/%00",
        "/" + "a" * 5000,
        "/..%2f..",
        "/%F0%9D%84%9E",
        "//",
        "/a/b/c",
        "/" + MANY_DIGITS,
    ]
    return [
        Hostile(name, f"path {path[:20]}", method=method, path=path)
        for path in paths
        for name, method in [
            ("jobs", "GET"),
            ("jobs", "DELETE"),
            ("download", "GET"),
            *((n, "POST") for n in FUNCTIONS),
        ]
    ]


def length_requests() -> list[Hostile]:
    return [
        Hostile(function, f"Content-Length {text[:20]}", headers={"Content-Length": text}, body=b"{}")
        for function in ("login", "upload", "fetch", "convert", "notify")
        for text in ("x", "-1", "1.5", "", "١", MANY_DIGITS, "0x10", "1, 1")
    ]
