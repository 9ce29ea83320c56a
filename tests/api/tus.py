"""A client of resumable uploads in the process of the tests."""

from __future__ import annotations

import base64
import hashlib
import io
from dataclasses import dataclass

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from soundlift.common.services import Services
from tests.factories.accounts import bearer
from tests.factories.jobs import MP4
from tests.fixtures.functions import Call

OFFSET_TYPE = "application/offset+octet-stream"
VIDEO = MP4 + bytes(200_000)  # more than the bytes that show the format


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def metadata(**values: str) -> str:
    return ",".join(f"{key} {encoded(value)}" for key, value in values.items())


def sha1(data: bytes) -> str:
    return f"sha1 {base64.b64encode(hashlib.sha1(data).digest()).decode()}"


class CutBody(io.BytesIO):
    """A body that ends with an error of the connection, as in gunicorn, after the bytes that have arrived."""

    def read(self, size: int | None = -1, /) -> bytes:
        if not (data := super().read(size)) and size:
            raise ConnectionResetError("the client is gone")
        return data


@dataclass(frozen=True)
class Tus:
    """Requests of one user for resumable uploads."""

    client: FlaskClient
    authorization: dict[str, str]

    @classmethod
    def of(cls, function: Call, services: Services, email: str = "ada@example.org") -> Tus:
        return cls(function("upload"), bearer(services, email))

    def create(self, length: int | None = len(VIDEO), *, data: bytes = b"", **headers: str) -> TestResponse:
        sizes = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
        types = {"Content-Type": OFFSET_TYPE} if data else {}
        return self.send("POST", "/files", data, **{**sizes, **types, **_names(headers)})

    def begin(self, length: int | None = len(VIDEO), **headers: str) -> str:
        """Create an upload, and return its path."""
        response = self.create(length, **headers)
        assert response.status_code == 201, response.json
        return path_of(response)

    def patch(self, path: str, offset: int, data: bytes | io.BytesIO, **headers: str) -> TestResponse:
        given = {"Content-Type": OFFSET_TYPE, "Upload-Offset": str(offset), **_names(headers)}
        return self.send("PATCH", path, data, **given)

    def head(self, path: str) -> TestResponse:
        return self.send("HEAD", path)

    def offset(self, path: str) -> int:
        response = self.head(path)
        assert response.status_code == 200
        return int(response.headers["Upload-Offset"])

    def delete(self, path: str) -> TestResponse:
        return self.send("DELETE", path)

    def send(self, method: str, path: str, data: bytes | io.BytesIO = b"", **headers: str) -> TestResponse:
        stream = io.BytesIO(data) if isinstance(data, bytes) else data
        size = len(stream.getvalue())
        return self.client.open(
            path,
            method=method,
            input_stream=stream,
            environ_overrides={"CONTENT_LENGTH": str(size) if size else "", "wsgi.input_terminated": True},
            headers={"Tus-Resumable": "1.0.0", **self.authorization, **headers},
        )


def path_of(response: TestResponse) -> str:
    """Return the path of an upload as the function sees it behind a gateway."""
    return response.headers["Location"].removeprefix("http://127.0.0.1:8080/upload")


def _names(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
