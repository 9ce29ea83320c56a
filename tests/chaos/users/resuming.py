"""Sends one upload by tus 1.0 in several parts, as https://tus.io/protocols/resumable-upload says and nothing else."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from tests.chaos.clips.clips import Clip
from tests.chaos.history import History
from tests.chaos.users.plan import UploadPlan, Way
from tests.chaos.users.requests import Answer, Body, part_body

PARTS = 5
MAX_REQUESTS = 40
PAUSE_SECONDS = 0.5
AGAIN = (None, 401, 408, 409, 429, 500, 502, 503, 504)  # after which HEAD says where to continue
GONE = (404, 410)
GAVE_UP = Answer(None, error="gave up")
BROKEN_BELOW, CHECKED_ABOVE = 0.3, 0.7  # the shares by which a part is broken off, or has a checksum


class Ask(Protocol):
    """Sends one request that is signed in."""

    def __call__(self, method: str, path: str, headers: Mapping[str, str], body: Body | None = None) -> Answer: ...


@dataclass
class ResumableSending:
    """One resumable upload: its address, and the offset that was last acknowledged, None if it has to be asked for."""

    ask: Ask
    history: History
    plan: UploadPlan
    clip: Clip
    name: str
    is_stopping: Callable[[], bool]
    path: str | None = None
    offset: int | None = None
    parts: int = 0

    def __post_init__(self) -> None:
        self._size = self.clip.path.stat().st_size
        self._removes = self.plan.way == Way.REMOVED

    def send(self) -> Answer:
        """Send all parts, and return a 202 with the job, the refusal, a 204 after the removal, or no answer."""
        for _ in range(MAX_REQUESTS):
            method = self._next_method()
            answer = self._request(method)
            self._record(method, answer)
            if method == "DELETE" and answer.status in (204, *GONE):
                return Answer(204)
            if job := answer.headers.get("soundlift-job"):
                return Answer(202, {"job_id": job})
            if answer.status in (200, 201, 204):
                continue
            if answer.status not in AGAIN:
                return answer
            self.offset = None
            if self.is_stopping():
                break
            if answer.error != "aborted":
                time.sleep(PAUSE_SECONDS)
        return GAVE_UP

    def _next_method(self) -> str:
        if self.path is None:
            return "POST"
        if self.offset is None:
            return "HEAD"
        return "DELETE" if self._removes and self.offset >= self._end else "PATCH"

    @property
    def _end(self) -> int:
        """Return the size, or where the upload is removed."""
        return int(self._size * self.plan.sent_share) if self._removes else self._size

    def _request(self, method: str) -> Answer:
        headers = {"Tus-Resumable": "1.0.0"}
        if method == "POST":
            return self._create(headers)
        assert self.path is not None
        body = None
        if method == "PATCH":
            assert self.offset is not None
            self.parts += 1
            is_broken = self.parts == 2 and self.plan.sent_share < BROKEN_BELOW
            body = self._part(self.offset, share=0.5 if is_broken else None)
            headers |= {"Content-Type": "application/offset+octet-stream", "Upload-Offset": str(self.offset)}
            if self.plan.sent_share > CHECKED_ABOVE:
                headers["Upload-Checksum"] = f"sha1 {_base64(hashlib.sha1(b''.join(body.blocks)).digest())}"
        if self.plan.way == Way.POSTED:
            headers["X-HTTP-Method-Override"], method = method, "POST"
        return self.ask(method, self.path, headers, body)

    def _create(self, headers: dict[str, str]) -> Answer:
        """Create the upload; one with a key has its first part in the same request."""
        given = {"filename": self.name, "filetype": self.clip.content_type, **self.plan.options_for(self.clip.kind)}
        metadata = ",".join(f"{name} {_base64(value.encode())}" for name, value in given.items())
        headers |= {"Upload-Length": str(self._size), "Upload-Metadata": metadata, **self.plan.key_header}
        body = None
        if self.plan.key and self._size:
            headers["Content-Type"] = "application/offset+octet-stream"
            body = self._part(0)
        answer = self.ask("POST", "/upload/files", headers, body or Body([], 0))
        if answer.status == 201:
            self.path = urlsplit(answer.headers["location"]).path
        return answer

    def _part(self, offset: int, *, share: float | None = None) -> Body:
        size = min(self._size // PARTS + 1, max(1, self._end - offset))
        return part_body(self.clip.path, offset, size, share=share)

    def _record(self, method: str, answer: Answer) -> None:
        """Remember the offset that an answer acknowledges, and record the request."""
        acknowledged = None
        if answer.status in (200, 201, 204) and "upload-offset" in answer.headers:
            acknowledged = self.offset = int(answer.headers["upload-offset"])
        about = {"upload": self.plan.name, "id": self.path and self.path.rpartition("/")[2], "method": method}
        self.history.record("part", **about, offset=acknowledged, **answer.facts)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
