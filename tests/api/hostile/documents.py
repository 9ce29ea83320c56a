"""Hostile JSON, credentials and events."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.api.hostile.request import HEADERS, MANY_DIGITS, NESTED, NESTED_OBJECT, TEXTS, Hostile

EVENT = {"specversion": "1.0", "id": "1", "source": "/test", "type": "dev.soundlift.mp3.ready"}
STRUCTURED = "application/cloudevents+json"
BINARY_EVENT = {f"ce-{key}": value for key, value in EVENT.items()} | {"Content-Type": "application/json"}


def _json(document: Any) -> bytes:
    return json.dumps(document).encode()  # json escapes half a surrogate pair


def _event(**members: Any) -> bytes:
    return _json({**EVENT, "data": {"job_id": "0" * 24}, **members})


def login_requests() -> list[Hostile]:
    bodies = {f"JSON {label}": body for label, body in _json_bodies().items()}
    for label, text in TEXTS.items():
        bodies[f"address: {label}"] = _json({"email": text, "password": "secret"})
        bodies[f"user name: {label}"] = _json({"username": text, "password": "secret"})
        bodies[f"password: {label}"] = _json({"email": "ada@example.org", "password": text})
        bodies[f"member: {label}"] = _json({"email": "ada@example.org", "password": "a", text: text})
    found = [
        Hostile("login", label, headers={"Content-Type": "application/json"}, body=body)
        for label, body in bodies.items()
    ]
    credentials = {
        "not ASCII": "\xe9\xff",
        "not base64": "%%%",
        "base64 cut off": "YTp",
        "not UTF-8": base64.b64encode(b"\xff\xfe:\x80").decode(),
        "half a surrogate pair": base64.b64encode(b"a\xed\xa0\x80:\xed\xa0\x80").decode(),
        "NUL": base64.b64encode(b"a\0@b:c\0d").decode(),
        "no colon": base64.b64encode(b"a").decode(),
        "very long": base64.b64encode(b"a" * 5000 + b":" + b"b" * 50_000).decode(),
        "parameters": "username=\"a\", realm*=UTF-8''%ED%A0%80",
        "nothing": "",
    }
    for label, text in credentials.items():
        found += [
            Hostile("login", f"{scheme} {label}", headers={"Authorization": f"{scheme} {text}"})
            for scheme in ("Basic", "basic", "Digest", "Bearer")
        ]
    return found


def session_requests() -> list[Hostile]:
    """Return requests to the routes of a session: hostile bodies, refresh tokens, cookies and origins."""
    page = {"Content-Type": "application/json", "Sec-Fetch-Site": "same-origin"}
    bodies = _json_bodies()
    for label, text in TEXTS.items():
        bodies[f"refresh token: {label}"] = _json({"refresh_token": text})
        bodies[f"session id: {label}"] = _json({"refresh_token": f"{'0' * 24}.{text}"})
        bodies[f"member: {label}"] = _json({text: text})
    headers: list[dict[str, str]] = [
        {**page, name: value.format(text)}
        for name, value in {
            "Cookie": "soundlift_refresh={}",
            "Origin": "http://{}",
            "Sec-Fetch-Site": "{}",
            "Content-Type": "application/json; charset={}",
        }.items()
        for text in HEADERS.values()
    ]
    paths = ("/refresh", "/sign-out")
    found = [
        Hostile("login", f"{path} {label}", path=path, headers=page, body=body)
        for path in paths
        for label, body in bodies.items()
    ]
    found += [
        Hostile("login", f"{path} {sent}", path=path, headers=without, body=b"{}")
        for path in paths
        for sent in headers
        for without in (sent, {name: text for name, text in sent.items() if name != "Sec-Fetch-Site"})
    ]
    found += [
        Hostile(
            "login", f"refresh: {label}", headers=page, body=_json({"refresh": text, "email": "a", "password": "b"})
        )
        for label, text in TEXTS.items()
    ]
    return found


def _json_bodies() -> dict[str, bytes]:
    return {
        "nested deep": NESTED,
        "objects nested deep": NESTED_OBJECT,
        "nested and not closed": b"[" * 14_000,
        "many digits": MANY_DIGITS.encode(),
        "member of many digits": b'{"email": ' + MANY_DIGITS.encode() + b', "password": 1e999}',
        "not a number": b'{"email": NaN, "password": -Infinity}',
        "invalid UTF-8": b'{"email": "\xff\xfe", "password": "\x80"}',
        "surrogates in UTF-8": b'{"email": "\xed\xa0\x80", "password": "a"}',
        "UTF-16": '{"email": "a", "password": "b"}'.encode("utf-16"),
        "UTF-32 cut off": '{"email": "a"}'.encode("utf-32")[:-1],
        "NULs": b"\0" * 100,
        "a byte order mark": b'\xef\xbb\xbf{"email": "a", "password": "b"}',
        "an escape cut off": b'{"email": "\\ud8", "password": "b"}',
    }


def event_requests(name: str) -> list[Hostile]:
    bodies = {f"event {label}": body for label, body in _json_bodies().items()}
    bodies |= {
        "data nested deep": _event()[:-1] + b', "data": ' + NESTED + b"}",
        "attribute nested deep": _event()[:-1] + b', "subject": ' + NESTED + b"}",
        "invalid data_base64": _event(data_base64="é%"),
        "time out of range": _event(time="99999-99-99T99:99:99Z"),
        "time of many digits": _event(time=f"2024-01-01T00:00:00.{MANY_DIGITS}Z"),
        "time zone out of range": _event(time="0001-01-01T00:00:00+23:59"),
        "job_id is a number": _event(data={"job_id": 10**400}),
        "an attribute is a list": _event(source=["a"], id={"a": 1}),
    }
    for label, text in TEXTS.items():
        bodies[f"job_id: {label}"] = _event(data={"job_id": text})
        bodies[f"extra member: {label}"] = _event(data={"job_id": "0" * 24, text: text})
        bodies[f"video_fid: {label}"] = _event(data={"video_fid": text, "username": text})
        bodies[f"user name: {label}"] = _event(data={"video_fid": "0" * 24, "username": text})
        for attribute in ("id", "source", "type", "subject", "time", "traceparent", "datacontenttype", "dataschema"):
            bodies[f"{attribute}: {label}"] = _event(**{attribute: text})
        bodies[f"extension: {label}"] = _event(**{text: text})
    found = [Hostile(name, label, headers={"Content-Type": STRUCTURED}, body=body) for label, body in bodies.items()]
    found += [
        Hostile(name, f"binary {label}", headers=BINARY_EVENT, body=body) for label, body in _json_bodies().items()
    ]
    found += [
        Hostile(name, f"binary job_id: {label}", headers=BINARY_EVENT, body=_json({"job_id": text}))
        for label, text in TEXTS.items()
    ]
    for label, text in HEADERS.items():
        found += [
            Hostile(name, f"{key}: {label}", headers={**BINARY_EVENT, key: text}, body=b"{}")
            for key in ("ce-id", "ce-type", "ce-source", "ce-subject", "ce-time", "ce-traceparent", "Content-Type")
        ]
    return found
