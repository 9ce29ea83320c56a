"""Requests of every kind to a deployment, each in progress for a while, without a client library that repeats them.

A request is repeated only after a 503 or 429, as its `Retry-After` says. Every other failure is recorded.
"""

from __future__ import annotations

import io
import json
import socket
import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlsplit

from soundlift.client import Client

TIMEOUT_SECONDS = 60
CONVERSION_SECONDS = 180  # the event of a job is repeated after 5, 35 and 155 seconds
RETRY_SECONDS = 30
PIECES, PIECE_SECONDS = 10, 0.2  # of an upload or a download
POLL_SECONDS = 0.5
PAUSE_SECONDS = 0.3  # before a thread repeats its request, so that the new processes get processor time to start
SLOW = 3  # concurrent ones of each kind: at any time, some are in progress in each process
RECEIVE_BUFFER = 64 * 1024


@dataclass
class Traffic:
    """Endless requests by several threads; `done` counts those of each kind that succeeded."""

    url: str
    token: str
    login: str
    video: bytes
    ready_job: str
    size: int
    job_ids: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """Send requests of all kinds within the block; at its end, wait for those in progress."""
        kinds = [self.sign_in, self.poll, self.follow, self.convert, *[self.upload_slowly, self.download_slowly] * SLOW]
        threads = [threading.Thread(target=self._repeat, args=(kind,), daemon=True) for kind in kinds]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(CONVERSION_SECONDS + TIMEOUT_SECONDS)

    def sign_in(self) -> None:
        with self._response("POST", "/login", {"Authorization": f"Basic {self.login}"}) as response:
            assert json.loads(response.read())["access_token"]

    def upload_slowly(self) -> None:
        """Upload a video whose body arrives over two seconds, and wait until it is converted.

        Uploads that did not wait would be faster than the conversions of a busy machine, by more the longer they flow.
        """
        length = {"Content-Length": str(len(self.video)), "X-Filename": "slow.mp4"}
        with self._response("POST", "/upload", length, body=self.video) as response:
            job_id = json.loads(response.read())["job_id"]
        self.job_ids.append(job_id)
        deadline = time.monotonic() + CONVERSION_SECONDS
        while (state := self._state(job_id)) != "ready":
            assert state in ("queued", "converting") and time.monotonic() < deadline, (job_id, state)
            time.sleep(POLL_SECONDS)

    def download_slowly(self) -> None:
        """Download a file, which is too large for the buffers on its way, over two seconds."""
        with self._response("GET", f"/download?job={self.ready_job}") as response:
            received = 0
            while data := response.read(self.size // PIECES):
                received += len(data)
                self._stop.wait(PIECE_SECONDS)
            assert received == self.size

    def poll(self) -> None:
        """Wait for a change of the jobs, for at most five seconds."""
        with self._response("GET", "/jobs?limit=1") as response:
            cursor = json.loads(response.read())["cursor"]
        with self._response("GET", f"/jobs?changed_since={cursor}&wait=5") as response:
            assert json.loads(response.read())["cursor"]

    def follow(self) -> None:
        """Read a stream of events to its end, and continue it in another one."""
        with self._response("GET", "/jobs/events") as response:
            events = response.read().decode().strip().split("\n\n")
            last = [line[4:] for line in events[-1].splitlines() if line.startswith("id: ")]
        with self._response("GET", "/jobs/events", {"Last-Event-ID": last[0]}) as response:
            assert response.readline().strip()

    def convert(self) -> None:
        """Upload, wait, list and download with the Python client, which repeats requests by itself."""
        with Client(self.url, token=self.token) as client:
            job = client.wait(client.upload(io.BytesIO(self.video), name="client.mp4"), timeout=CONVERSION_SECONDS)
            self.job_ids.append(job.id)
            assert job.ready, job
            assert next(client.jobs())
            output = io.BytesIO()
            client.download_to(job, output)
            assert len(output.getvalue()) == job.mp3_bytes

    def _state(self, job_id: str) -> str:
        with self._response("GET", f"/jobs/{job_id}") as response:
            return str(json.loads(response.read())["state"])

    def _repeat(self, kind: Callable[[], None]) -> None:
        while not self._stop.is_set():
            try:
                kind()
                self.done[kind.__name__] += 1
                self._stop.wait(PAUSE_SECONDS)
            except Exception as error:
                self.failures.append(f"{kind.__name__}: {error!r}")

    @contextmanager
    def _response(
        self, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> Iterator[HTTPResponse]:
        """Yield the response with a status of success, after repeating the request if the server asks for it."""
        deadline = time.monotonic() + RETRY_SECONDS
        while True:
            connection = self._send(method, target, {"Authorization": f"Bearer {self.token}", **(headers or {})}, body)
            try:
                response = connection.getresponse()
                if response.status in (503, 429) and time.monotonic() < deadline:
                    time.sleep(int(response.headers["Retry-After"]))
                    continue
                assert response.status < 300, (response.status, response.read(), target)
                yield response
                return
            finally:
                connection.close()

    def _send(self, method: str, target: str, headers: dict[str, str], body: bytes) -> HTTPConnection:
        parts = urlsplit(self.url)
        connection = HTTPConnection(str(parts.hostname), parts.port, timeout=TIMEOUT_SECONDS)
        connection.sock = socket.socket()
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        connection.sock.settimeout(TIMEOUT_SECONDS)
        connection.sock.connect((connection.host, connection.port))
        connection.putrequest(method, target)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        size = -(-len(body) // PIECES) or 1
        try:
            for start in range(0, len(body), size):
                connection.send(body[start : start + size])
                self._stop.wait(PIECE_SECONDS)
        except ConnectionError:  # the response may have arrived before the body was sent
            pass
        return connection


def basic(email: str, password: str) -> str:
    """Return the credentials of HTTP Basic."""
    return b64encode(f"{email}:{password}".encode()).decode()
