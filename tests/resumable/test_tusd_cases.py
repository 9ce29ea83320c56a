"""The six cases of tusd's end-to-end suite (tus/tusd, internal/e2e/e2e_test.go), told again for this server."""

from __future__ import annotations

import socket
import time
from urllib.parse import urlsplit

import pytest
import urllib3

from devservers.toxics import LimitData
from devservers.waiting import wait_for
from soundlift.common.web.minimum_rate import PERIOD_SECONDS
from tests.factories.jobs import MP4
from tests.resumable.conftest import MEBIBYTE, Deployment

PART_TYPE = "application/offset+octet-stream"

pytestmark = pytest.mark.servers


class Tus:
    """The requests of the protocol, each on a connection of its own."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self.headers = {
            "Authorization": f"Bearer {deployment.token()}",
            "Tus-Resumable": "1.0.0",
            "Connection": "close",
        }

    def begin(self, length: int) -> str:
        """Begin an upload, and return its address."""
        headers = {**self.headers, "Upload-Length": str(length), "Upload-Metadata": "filename YS5tcDQ="}
        answer = urllib3.request("POST", self._deployment.uploads, headers=headers, retries=False)
        assert answer.status == 201
        return answer.headers["Location"]

    def append(self, address: str, offset: int, body: bytes) -> urllib3.BaseHTTPResponse:
        headers = {**self.headers, "Upload-Offset": str(offset), "Content-Type": PART_TYPE}
        return urllib3.request("PATCH", address, headers=headers, body=body, retries=False, timeout=30)

    def offset(self, address: str) -> int:
        answer = urllib3.request("HEAD", address, headers=self.headers, retries=False, timeout=30)
        assert answer.status == 200
        return int(answer.headers["Upload-Offset"])

    def stored(self, address: str) -> int:
        """Return how many bytes are stored, without asking the server, which would end the request that sends them."""
        upload = self._deployment.services.resumable_uploads.find(address.rpartition("/")[2])
        assert upload
        return upload.received

    def connect(self, address: str, length: int) -> socket.socket:
        """Return a connection on which a request to append so many bytes has begun."""
        parts = urlsplit(address)
        assert parts.hostname
        assert parts.port
        connection = socket.create_connection((parts.hostname, parts.port), 30)
        headers = {**self.headers, "Upload-Offset": "0", "Content-Type": PART_TYPE, "Content-Length": str(length)}
        lines = [f"PATCH {parts.path} HTTP/1.1", f"Host: {parts.netloc}", *(f"{k}: {v}" for k, v in headers.items())]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return connection


@pytest.fixture
def tus(deployment: Deployment) -> Tus:
    return Tus(deployment)


def _video(length: int) -> bytes:
    return MP4 + bytes(length - len(MP4))


def test_successful_upload(deployment: Deployment, tus: Tus) -> None:
    body = _video(5 * MEBIBYTE)
    address = tus.begin(len(body))
    answer = tus.append(address, 0, body)
    assert (answer.status, answer.headers["Upload-Offset"]) == (204, str(len(body)))
    assert tus.offset(address) == len(body)
    assert deployment.stored(answer.headers["Soundlift-Job"]) == body


def test_network_read_timeout(tus: Tus) -> None:
    """A line that is silent, but not closed: the server ends the request, and keeps what has arrived."""
    body = _video(5 * MEBIBYTE)
    address = tus.begin(len(body))
    with tus.connect(address, len(body)) as silent:
        silent.sendall(body[: 2 * MEBIBYTE])
        wait_for(lambda: tus.stored(address) > 1.9 * MEBIBYTE, "what was sent is stored", seconds=60)
        offset = tus.offset(address)
        assert offset <= 2 * MEBIBYTE
        assert tus.append(address, offset, body[offset:]).status == 204
    assert tus.offset(address) == len(body)


@pytest.mark.parametrize("reset", [False, True], ids=["close", "reset"])
def test_unexpected_network_close_and_reset(deployment: Deployment, tus: Tus, *, reset: bool) -> None:
    body = _video(5 * MEBIBYTE)
    address = tus.begin(len(body))
    limit = 3 * MEBIBYTE
    with (
        deployment.line.disturbed(LimitData(limit, reset=reset), "upstream"),
        pytest.raises(urllib3.exceptions.HTTPError),
    ):
        tus.append(address, 0, body)
    wait_for(lambda: tus.stored(address), "the bytes before the end of the connection are stored")
    offset = tus.offset(address)
    assert 0 < offset <= limit
    assert tus.append(address, offset, body[offset:]).status == 204


def test_lock_release(tus: Tus) -> None:
    """A request that hangs does not block the next one, and cannot write any more."""
    body = _video(MEBIBYTE)
    address = tus.begin(len(body))

    def append_rest() -> bool:
        offset = tus.offset(address)
        return tus.append(address, offset, body[offset:]).status == 204

    with tus.connect(address, len(body)) as hung:
        hung.sendall(body[:100])
        started = time.monotonic()
        # On a busy machine, the server may begin the hung request between these two, which changes the offset.
        wait_for(append_rest, "the rest is appended")
        assert time.monotonic() - started < PERIOD_SECONDS / 2  # after the period, the hung one would end anyway
        hung.sendall(bytes(len(body) - 100))
        assert tus.offset(address) == len(body)


def test_upload_length_exceeded(tus: Tus) -> None:
    body = _video(MEBIBYTE)
    address = tus.begin(len(body) - 1)
    assert tus.append(address, 0, body).status == 413
    assert tus.offset(address) in (0, len(body) - 1)
