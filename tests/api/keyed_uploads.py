"""Uploads with an Idempotency-Key, and requests that find and cancel them by it."""

from __future__ import annotations

import io
from typing import Any

from werkzeug.test import TestResponse

from soundlift.common.services import Services
from tests.api.uploads import FORM_TYPE
from tests.factories.accounts import bearer
from tests.factories.jobs import MP4
from tests.fixtures.functions import Call

KEY = '"8e03978e-40d5-43dd-bc93-6894a57f9324"'
ADA = "ada@example.org"


class UnreadBody(io.BytesIO):
    """A body that must not be read beyond what the test allows."""

    def __init__(self, content: bytes, allowed: int = 0) -> None:
        super().__init__(content)
        self.allowed = allowed

    def read(self, size: int | None = -1, /) -> bytes:
        assert self.tell() < self.allowed, "the body was read"
        return super().read(min(size or -1, self.allowed) if self.allowed else size)


class Uploads:
    """Uploads to the function, with a key."""

    def __init__(self, function: Call, services: Services) -> None:
        self._client = function("upload")
        self.services = services

    def post(self, body: bytes | io.BytesIO = MP4, *, key: str = KEY, user: str = ADA, **parts: Any) -> TestResponse:
        stream = io.BytesIO(body) if isinstance(body, bytes) else body
        headers = {"X-Filename": "a.mp4", **bearer(self.services, user), "Idempotency-Key": key}
        size = len(stream.getbuffer())
        parts = {"content_type": "video/mp4", "query_string": "channels=1&bitrate=128", "content_length": size} | parts
        headers |= parts.pop("headers", {})
        return self._client.post("/", input_stream=stream, headers=headers, **parts)

    def post_form(self, body: bytes | io.BytesIO) -> TestResponse:
        return self.post(body, content_type=FORM_TYPE, query_string="")

    def get(self, key: str = KEY, user: str = ADA) -> TestResponse:
        return self._client.get("/", headers={**bearer(self.services, user), "Idempotency-Key": key})

    def delete(self, key: str = KEY, user: str = ADA) -> TestResponse:
        return self._client.delete("/", headers={**bearer(self.services, user), "Idempotency-Key": key})
