"""The parts of one file, sent to a media store by several threads."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from typing import Any

from soundlift.client.api import Api
from soundlift.client.connection import Request
from soundlift.client.errors import ClientError, ConnectionFailed, FileChanged
from soundlift.client.resumable_upload import OnResumable
from soundlift.client.store_urls import is_safe_url
from soundlift.client.transfers import BLOCK
from soundlift.client.uploads import BodyFailed, Upload

PARALLEL = 4
SIGNED_AT_ONCE = 8
MARGIN_SECONDS = 60  # of a URL's lifetime, since a request may have to wait for a connection
CONNECT_SECONDS = 5  # a store that cannot be reached from here often does not answer at all
WAIT_SECONDS = 60
FIRST_TRIES = 2  # until a part has arrived: then the store can be reached from here
PART_TRIES = 6
POLL_SECONDS = 0.2
UNKNOWN_ANSWER = "The server's answer is not one to a direct upload. Is it Soundlift?"


class StoreUnusable(Exception):
    """A media store that does not accept the parts of a file from this client."""


class PartUrls:
    """The URLs of the parts of one upload, each new enough to be used; threads may share them."""

    def __init__(self, api: Api, path: str, begun: dict[str, Any]) -> None:
        """Take the document that the server returns at the beginning of an upload; `path` signs further parts.

        Raises ConnectionFailed if it is not one.
        """
        self._api = api
        self._path = path
        self._lock = Lock()
        self._urls: dict[int, tuple[str, float]] = {}
        part_bytes, count, received = begun.get("part_bytes"), begun.get("part_count"), begun.get("received", [])
        if not isinstance(part_bytes, int) or not isinstance(count, int) or part_bytes < 1:
            raise ConnectionFailed(UNKNOWN_ANSWER)
        if not isinstance(received, list) or not all(type(each) is int and 1 <= each <= count for each in received):
            raise ConnectionFailed(UNKNOWN_ANSWER)
        self.part_bytes: int = part_bytes
        self.count: int = count
        self.received = frozenset(received)
        self._take(begun)

    def of(self, number: int) -> str:
        """Return a URL for one try to send a part; raises ClientError."""
        with self._lock:
            if number not in self._urls or self._urls[number][1] < time.monotonic():
                later = range(number, min(number + SIGNED_AT_ONCE, self.count + 1))
                missing = [each for each in later if each not in self.received]
                due = [each for each in missing if each == number or each not in self._urls]
                self._take(self._api.json("POST", self._path, {"parts": due}))
            url, _ = self._urls.pop(number, ("", 0))
        return url

    def _take(self, document: dict[str, Any]) -> None:
        try:
            usable_until = time.monotonic() + document["expires_in"] - MARGIN_SECONDS
            self._urls |= {part["number"]: (part["url"], usable_until) for part in document["parts"]}
        except (KeyError, TypeError):
            raise ConnectionFailed(UNKNOWN_ANSWER) from None


@dataclass
class _Part:
    """The bytes of one try to send a part, and how many of them have been sent."""

    first: int
    size: int
    sent: int = 0


class DirectTransfer:
    """The sending of the parts that have not been received; a part that fails is sent again, to a new URL."""

    def __init__(self, api: Api, upload: Upload, urls: PartUrls) -> None:
        assert upload.size is not None, "only a file of known size has parts"
        self._api = api
        self._upload = upload
        self._size = upload.size
        self._urls = urls
        self._numbers: SimpleQueue[int] = SimpleQueue()
        for number in range(1, urls.count + 1):
            if number not in urls.received:
                self._numbers.put(number)
        self._file_lock = Lock()
        self.arrived_bytes = sum(self._part(number).size for number in urls.received)
        self._sent = self.arrived_bytes
        self._on_arrival: OnResumable | None = None
        self._has_arrived = Event()
        self._stop = Event()
        self._error: BaseException | None = None

    def run(self, on_arrival: OnResumable | None = None) -> None:
        """Return once every part has arrived; after each, `on_arrival` gets the number of bytes that have, and of all.

        Raises StoreUnusable if the store refuses a part several times or cannot be reached, ClientError, or BodyFailed.
        """
        self._on_arrival = on_arrival
        # Threads of an executor would delay the end of an interrupted process until their requests end.
        threads = [Thread(target=self._work, daemon=True) for _ in range(min(PARALLEL, self._urls.count))]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(POLL_SECONDS)
                    if self._error:
                        raise self._error
        finally:
            self._stop.set()
        if self._error:
            raise self._error

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                self._send_part(self._numbers.get_nowait())
        except Empty:
            return
        except BaseException as error:
            self._error = self._error or error
            self._stop.set()

    def _send_part(self, number: int) -> None:
        """Send a part until it has arrived."""
        pauses = self._api.retries.pauses()
        tries = 0
        while not self._stop.is_set():
            url = self._urls.of(number)
            try:
                self._put(number, url)
            except ConnectionFailed as error:
                tries += 1
                if tries >= (PART_TRIES if self._has_arrived.is_set() else FIRST_TRIES):
                    raise StoreUnusable from None
                self._pause(error, pauses)
            else:
                self._note_arrival(number)
                return

    def _note_arrival(self, number: int) -> None:
        self._has_arrived.set()
        with self._file_lock:
            self.arrived_bytes += self._part(number).size
            if self._on_arrival:
                self._on_arrival(self.arrived_bytes, self._size)

    def _pause(self, error: ClientError, pauses: Iterator[float]) -> None:
        try:
            self._api.retries.pause(error, pauses, lambda _: not self._stop.is_set())
        except ConnectionFailed:
            raise StoreUnusable from None

    def _put(self, number: int, url: str) -> None:
        """Send a part once; raises ConnectionFailed if it has not arrived."""
        if not is_safe_url(url, self._api.connection.url):
            raise StoreUnusable
        part = self._part(number)
        headers = {"Content-Length": str(part.size)}
        request = Request(method="PUT", path="", headers=headers, body=lambda: self._blocks(part), wait=WAIT_SECONDS)
        try:
            response = self._api.connection.exchange(url, request, connect_seconds=CONNECT_SECONDS)
            response.drain_conn()
            response.release_conn()
            if response.status != HTTPStatus.OK:
                detail = f"The media store answered {response.status} to a part of the file."
                raise ConnectionFailed(detail, temporary=True)
        except ClientError:
            self._report(-part.sent)
            raise

    def _part(self, number: int) -> _Part:
        first = (number - 1) * self._urls.part_bytes
        return _Part(first, min(self._urls.part_bytes, self._size - first))

    def _blocks(self, part: _Part) -> Iterator[bytes]:
        """Yield a part of the file in blocks, and report them."""
        while part.sent < part.size:
            if self._stop.is_set():
                raise FileChanged("The upload has been stopped.")
            try:
                with self._file_lock:
                    block = self._upload.read_at(part.first + part.sent, min(BLOCK, part.size - part.sent))
                yield block
                part.sent += len(block)
                self._report(len(block))
            except OSError as error:
                raise BodyFailed(error) from error

    def _report(self, more: int) -> None:
        with self._file_lock:
            self._sent += more
            self._upload.report(self._sent)
