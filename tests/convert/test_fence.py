"""An uploaded file cannot choose what FFmpeg reads or connects to."""

from __future__ import annotations

import os
import resource
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import urllib3

from devservers.waiting import wait_for
from functions.convert.encode.range_server import Source, serve
from functions.convert.handler import convert
from soundlift.common.events import event_for
from soundlift.common.jobs.model import State
from soundlift.common.services import Services
from tests.convert.conftest import Convert
from tests.factories.clips import ffmpeg, replace_bytes, talking_mp4
from tests.factories.jobs import MP4, queued_job
from tests.factories.media import store
from tests.factories.stores import blocked_store

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop


@dataclass
class Trap:
    """The targets of a hostile file: a listening port, and a pipe that reveals when it is opened."""

    port: int
    pipe: Path
    connections: list[object] = field(default_factory=list)

    @property
    def pipe_was_opened(self) -> bool:
        """Return whether the pipe is open for reading: without a reader, it cannot be opened for writing."""
        try:
            os.close(os.open(self.pipe, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return False
        return True


@pytest.fixture
def trap(tmp_path: Path) -> Iterator[Trap]:
    pipe = tmp_path / "canary.ts"
    os.mkfifo(pipe)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        trap = Trap(listener.getsockname()[1], pipe)

        def accept() -> None:
            while True:
                try:
                    connection, address = listener.accept()
                except OSError:
                    return
                connection.close()
                trap.connections.append(address)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield trap
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def _hls(trap: Trap) -> str:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{trap.pipe}\n#EXT-X-ENDLIST\n"


def _hls_over_http(trap: Trap) -> str:
    return _hls(trap).replace(str(trap.pipe), f"http://127.0.0.1:{trap.port}/x.ts")


def _concat(trap: Trap) -> str:
    return f"ffconcat version 1.0\nfile '{trap.pipe}'\n"


def _concat_over_http(trap: Trap) -> str:
    return f"ffconcat version 1.0\nfile 'http://127.0.0.1:{trap.port}/x.ts'\n"


def _dash(trap: Trap) -> str:
    address = f"http://127.0.0.1:{trap.port}/x.mp4"
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT5S"><Period><AdaptationSet mimeType="audio/mp4"><Representation id="1" '
        f'bandwidth="1"><BaseURL>{address}</BaseURL></Representation></AdaptationSet></Period></MPD>'
    )


def _session_description(trap: Trap) -> str:
    return f"v=0\nc=IN IP4 127.0.0.1\nm=audio {trap.port} RTP/AVP 0\n"


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("playlist", [_hls, _hls_over_http, _concat, _concat_over_http, _dash, _session_description])
def test_a_playlist_with_a_false_suffix_opens_no_file_or_connection(
    convert_file: Convert, tmp_path: Path, trap: Trap, playlist: Callable[[Trap], str], suffix: str
) -> None:
    file = tmp_path / f"innocent{suffix}"
    file.write_text(playlist(trap))
    with ThreadPoolExecutor() as pool:
        job = pool.submit(convert_file, file)
        opened = False
        while not job.done():
            opened = opened or trap.pipe_was_opened
    assert (job.result().state, job.result().error_code) == (State.FAILED, "not_media")
    assert not opened
    assert trap.connections == []


def test_a_movie_that_references_another_file_does_not_open_it(
    convert_file: Convert, tmp_path: Path, trap: Trap
) -> None:
    file = talking_mp4(tmp_path)
    # A data reference "url " with flag 1 means "in this file", without the flag "at a URL" (ISO/IEC 14496-12, 8.7.2).
    replace_bytes(file, b"url \0\0\0\x01", b"url \0\0\0\0")
    with ThreadPoolExecutor() as pool:
        job = pool.submit(convert_file, file)
        opened = False
        while not job.done():
            opened = opened or trap.pipe_was_opened
    assert job.result().ended
    assert not opened
    assert trap.connections == []


def _running_ffmpeg() -> int | None:
    """Return the process id of an FFmpeg that is a child of this process."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            command = (entry / "cmdline").read_bytes()
        except (OSError, ValueError):
            continue
        if parent == os.getpid() and b"ffmpeg" in command.split(b"\0")[0]:
            return int(entry.name)
    return None


@pytest.mark.skipif(sys.platform != "linux", reason="limits are set, and read in /proc, on Linux only")
def test_ffmpeg_has_limits_and_no_environment_before_it_reads_a_byte(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JWT_SECRET", "the secret")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    videos, waiting, release = blocked_store(services.videos, beyond=0)
    job = queued_job(services, talking_mp4(tmp_path).read_bytes())
    services.videos = videos
    with ThreadPoolExecutor() as pool:
        conversion = pool.submit(convert, event_for(job), services)
        try:
            assert waiting.wait(30)
            process = Path("/proc") / str(_running_ffmpeg())
            environment = (process / "environ").read_bytes()
            limits = (process / "limits").read_text()
        finally:
            release.set()
        conversion.result()
    assert environment.split(b"\0") == [b"LC_ALL=C", b"AV_LOG_FORCE_COLOR=1", b""]
    settings = services.settings
    for name, limit in (
        ("Max cpu time", settings.max_conversion_seconds),
        ("Max address space", settings.max_memory_bytes),
        ("Max file size", settings.max_audio_bytes + 2**20),
        ("Max open files", 256),
        ("Max core file size", 0),
    ):
        (line,) = [line for line in limits.splitlines() if line.startswith(name)]
        assert line.removeprefix(name).split()[0] == str(limit)
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY


def test_the_range_server_serves_one_path_until_the_conversion_ends(services: Services) -> None:
    fid = "a" * 24
    store(services.videos, fid, MP4)
    source = Source(services.videos, fid)
    with serve(source) as url:
        assert urllib3.request("GET", url).data == MP4
        end = len(MP4) - 1
        for byte_range, first, last in (
            ("4-7", 4, 7),
            ("4-", 4, end),
            ("-1", end, end),
            (f"{end}-{end + 9}", end, end),
        ):
            response = urllib3.request("GET", url, headers={"Range": f"bytes={byte_range}"})
            assert (response.status, response.data) == (206, MP4[first : last + 1])
            assert response.headers["Content-Range"] == f"bytes {first}-{last}/{len(MP4)}"
        assert urllib3.request("GET", url, headers={"Range": f"bytes={end + 1}-"}).status == 416
        root = url.rpartition("/")[0]
        for path in ("/", f"/{fid}", "/../etc/passwd", f"{source.path}/x"):
            assert urllib3.request("GET", root + path).status == 404
    with pytest.raises(urllib3.exceptions.HTTPError):
        urllib3.request("GET", url, retries=False)


def test_a_file_that_declares_an_endless_size_does_not_fill_the_memory(convert_file: Convert, tmp_path: Path) -> None:
    file = ffmpeg(tmp_path / "a.wav", "-f", "lavfi", "-i", "sine=duration=1")
    content = bytearray(file.read_bytes())
    position = content.index(b"data") + 4
    content[position : position + 4] = struct.pack("<I", 2**32 - 1)
    file.write_bytes(content)
    assert convert_file(file).ended


def test_a_file_name_is_never_an_option(convert_file: Convert, tmp_path: Path) -> None:
    file = talking_mp4(tmp_path)
    hostile = file.rename(tmp_path / "-f lavfi -i sine;$(touch pwned)`touch pwned`.mp4")
    assert convert_file(hostile).state == State.READY
    wait_for(lambda: not (tmp_path / "pwned").exists(), "no command was executed")
