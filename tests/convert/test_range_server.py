"""FFmpeg gets every byte of a video over loopback, and no file stays open after an error or a disconnect."""

from __future__ import annotations

import io
import re
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, cast

import pytest
import urllib3

from devservers.waiting import wait_for
from functions.convert.encode.range_server import BLOCK, Source, serve, url_suffix
from soundlift.common.errors import StoreUnavailable
from soundlift.common.media import MediaReader, MediaStore
from soundlift.common.services import Services
from tests.factories.media import store
from tests.factories.stores import WatchedStore, blocked_store

FID = "a" * 24
BOX_HEADER = 16  # bytes in each read of the search for an MP4's index
LARGE = bytes(range(256)) * 4 * 4096  # 4 MiB, more than the socket buffers hold


class _Recording(WatchedStore):
    """A store that records the files that it opened, and the sizes of reads."""

    def __init__(self, videos: MediaStore, before_read: Callable[[int], None] = lambda position: None) -> None:
        super().__init__(videos, before_read)
        self.files: list[BinaryIO] = []
        self._kept: list[object] = []  # so that garbage collection does not close files that were left open
        self.read_sizes: set[int] = set()

    def open(self, fid: str) -> MediaReader:
        reader = super().open(fid)
        self.files.append(reader.file)
        read_sizes = self.read_sizes

        class Sized(io.RawIOBase):
            seek, tell, close = reader.file.seek, reader.file.tell, reader.file.close

            def seekable(self) -> bool:
                return True

            def read(self, size: int = -1) -> bytes:
                read_sizes.add(size)
                return reader.file.read(size)

        file = Sized()
        self._kept.append(file)
        return MediaReader(reader.size, cast(BinaryIO, file))

    def all_closed(self) -> bool:
        return bool(self.files) and all(file.closed for file in self.files)


@pytest.fixture
def videos(services: Services) -> _Recording:
    store(services.videos, FID, LARGE)
    return _Recording(services.videos)


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("a.mp4", ".mp4"), ("a.tar.gz", ".gz"), (".M4a", ".M4a"), ("a.12345678", ".12345678"), ("a.123456789", ""),
     ("a", ""), ("", ""), ("a.", ""), ("a.mp4 ", ""), ("a.m/4", ""), ("a.é", "")],
)  # fmt: skip
def test_the_suffix_of_a_file_name_is_used_if_it_is_plain(name: str, suffix: str) -> None:
    assert url_suffix(name) == suffix


@pytest.mark.parametrize("suffix", ["", ".mp4"])
def test_a_video_has_one_url_that_cannot_be_guessed(videos: _Recording, suffix: str) -> None:
    source = Source(videos, FID, suffix)
    assert re.fullmatch(r"/[0-9a-f]{32}" + re.escape(suffix), source.path)
    assert Source(videos, FID, suffix).path != source.path
    assert source.error is None
    with serve(source) as url:
        assert re.fullmatch(rf"http://127\.0\.0\.1:[0-9]+{source.path}", url)
        assert urllib3.request("GET", url).data == LARGE
        for unknown in (f"{url}.x", f"{url}x", url[:-1], url.removesuffix(".mp4")[:-1]):
            assert urllib3.request("GET", unknown).status == 404


def test_a_response_has_the_headers_for_seeking_and_is_read_in_blocks(videos: _Recording) -> None:
    with serve(Source(videos, FID)) as url:
        whole = urllib3.request("GET", url)
        assert (whole.status, whole.data == LARGE) == (200, True)
        assert whole.headers["Content-Length"] == str(len(LARGE))
        assert whole.headers["Accept-Ranges"] == "bytes"
        assert whole.headers["Content-Type"] == "application/octet-stream"
        part = urllib3.request("GET", url, headers={"Range": f"bytes={len(LARGE) - 5}-"})
        assert (part.status, part.data, part.headers["Content-Length"]) == (206, LARGE[-5:], "5")
        nothing = urllib3.request("GET", url, headers={"Range": f"bytes={len(LARGE)}-"})
        assert (nothing.status, nothing.headers["Content-Range"]) == (416, f"bytes */{len(LARGE)}")
        wait_for(videos.all_closed, "each file is closed")
    assert len(videos.files) == 3
    assert videos.read_sizes == {BOX_HEADER, BLOCK}


def test_the_end_stops_an_active_response_and_leaves_no_thread(services: Services) -> None:
    store(services.videos, FID, LARGE)
    before = set(threading.enumerate())
    with serve(Source(services.videos, FID)) as url, _send_request(url) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.")
    wait_for(lambda: set(threading.enumerate()) <= before, "all threads have ended")


def _send_request(url: str) -> socket.socket:
    address, _, path = url.removeprefix("http://").partition("/")
    host, _, port = address.partition(":")
    connection = socket.create_connection((host, int(port)), timeout=30)
    connection.sendall(f"GET /{path} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
    return connection


def test_one_response_does_not_wait_for_another(services: Services) -> None:
    store(services.videos, FID, LARGE)
    waiting_store, waiting, release = blocked_store(services.videos, beyond=BLOCK)
    with serve(Source(waiting_store, FID)) as url, ThreadPoolExecutor() as pool:
        first = pool.submit(urllib3.request, "GET", url)
        try:
            assert waiting.wait(30)
            response = urllib3.request("GET", url, headers={"Range": "bytes=0-9"}, timeout=30)
            assert response.data == LARGE[:10]
            assert not first.done()
        finally:
            release.set()
        assert first.result(30).data == LARGE


@pytest.mark.parametrize("error", [StoreUnavailable("It is unavailable."), KeyError("unforeseen")])
def test_an_error_on_opening_is_recorded_and_answered_with_503(services: Services, error: Exception) -> None:
    class Failing(WatchedStore):
        def open(self, fid: str) -> MediaReader:
            raise error

    source = Source(Failing(services.videos, lambda position: None), FID)
    with serve(source) as url:
        assert urllib3.request("GET", url, retries=False).status == 503
    assert source.error is error
    source.record_error(ValueError("a later one"))
    assert source.error is error


@pytest.mark.parametrize("error", [StoreUnavailable("It broke."), KeyError("unforeseen")])
def test_an_error_while_reading_is_recorded_and_ends_the_response(services: Services, error: Exception) -> None:
    store(services.videos, FID, LARGE)

    def before_read(position: int) -> None:
        if position >= BLOCK:
            raise error

    videos = _Recording(services.videos, before_read)
    source = Source(videos, FID)
    with serve(source) as url:
        response = urllib3.request("GET", url, preload_content=False)
        with pytest.raises(urllib3.exceptions.ProtocolError):
            response.read()
        response.close()
        wait_for(videos.all_closed, "the file is closed")
    assert source.error is error


def test_a_client_that_disconnects_leaves_no_open_file_and_no_output(
    videos: _Recording, capfd: pytest.CaptureFixture[str]
) -> None:
    with serve(Source(videos, FID)) as url:
        with _send_request(url) as connection:
            assert connection.recv(1000)
        wait_for(videos.all_closed, "the file is closed")
        assert urllib3.request("GET", url, headers={"Range": "bytes=1-2"}).data == LARGE[1:3]
        assert urllib3.request("GET", f"{url}x").status == 404
    assert capfd.readouterr() == ("", "")


def _reset(connection: socket.socket) -> None:
    """Close a connection with a reset, discarding data in transit."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_a_client_that_disconnects_at_the_end_leaves_no_open_file(
    services: Services, capfd: pytest.CaptureFixture[str]
) -> None:
    store(services.videos, FID, LARGE[:1000])
    sent, release = threading.Event(), threading.Event()

    def before_read(position: int) -> None:
        if position == 1000:
            sent.set()
            assert release.wait(30)

    videos = _Recording(services.videos, before_read)
    with serve(Source(videos, FID)) as url:
        connection = _send_request(url)
        assert sent.wait(30)
        _reset(connection)
        release.set()
        wait_for(videos.all_closed, "the file is closed")
    assert capfd.readouterr() == ("", "")


def test_a_client_that_disconnects_before_an_error_leaves_no_message(
    services: Services, capfd: pytest.CaptureFixture[str]
) -> None:
    opening, release = threading.Event(), threading.Event()

    class Failing(WatchedStore):
        def open(self, fid: str) -> MediaReader:
            opening.set()
            assert release.wait(30)
            raise StoreUnavailable("It is unavailable.")

    with serve(Source(Failing(services.videos, lambda position: None), FID)) as url:
        connection = _send_request(url)
        assert opening.wait(30)
        _reset(connection)
        release.set()
    assert capfd.readouterr() == ("", "")
