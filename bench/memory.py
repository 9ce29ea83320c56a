"""Measures the largest memory of upload, download and convert for a small and a large file: `python bench/memory.py`.

Each function runs alone under gunicorn, as in its image. Linux only: the peak is the worker's VmHWM in /proc.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import urllib3

from functions.convert.ffmpeg import binary
from soundlift.client import Client
from soundlift.common.events import event_of, to_http
from soundlift.common.media import MediaInfo
from soundlift.common.migrations import migrate
from soundlift.common.services import Services
from soundlift.common.settings import Settings

SECONDS_OF_SIZE = {"40 MB": 1, "1 GB": 26}
BLOCK = 2**18
SECRET = "a secret of the bench, longer than 32 bytes"
OWNER = "ada@example.org"


def main() -> None:
    """Print a line for each function and size, in MB."""
    with tempfile.TemporaryDirectory(prefix="soundlift-bench-") as folder:
        for size, seconds in SECONDS_OF_SIZE.items():
            video = make_video(Path(folder, "video.avi"), seconds)
            data = Path(folder, size.replace(" ", ""))
            data.mkdir()
            for name, peak in peaks(video, data).items():
                print(f"{name:18} {video.stat().st_size / 1e6:7.0f} MB file: {peak:4.0f} MB at most")


def make_video(output: Path, seconds: int) -> Path:
    """Make a video of about 40 MB a second: its pictures are not compressed."""
    sources = ("-f", "lavfi", "-i", f"testsrc2=d={seconds}:s=1280x720:r=29", "-f", "lavfi", "-i", f"sine=d={seconds}")
    codecs = ("-pix_fmt", "yuv420p", "-c:v", "rawvideo", "-c:a", "libmp3lame")
    subprocess.run([binary(), "-nostdin", "-v", "error", "-y", *sources, *codecs, str(output)], check=True)
    return output


def peaks(video: Path, data: Path) -> dict[str, float]:
    """Return the peak of each function with a video of this size, in MB."""
    environment = {"SOUNDLIFT_DATA": str(data), "JWT_SECRET": SECRET}
    services = Services(Settings.from_environment(environment))
    migrate(services.settings.database_url)
    token = services.tokens.sign_in(OWNER, admin=False)
    found = {}
    with served("upload", environment) as (url, peak):
        job = Client(url, token=token).upload(video)
        found["upload, raw"] = peak()
    with served("upload", environment) as (url, peak), video.open("rb") as file:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "multipart/form-data; boundary=frontier"}
        answer = urllib3.request("POST", f"{url}/upload", body=form_of(file), headers=headers, timeout=600)
        assert answer.status == 202, answer.data
        found["upload, multipart"] = peak()
    with served("convert", environment) as (url, peak):
        row = services.jobs.find(job.id)
        assert row is not None
        headers, body = to_http(event_of(row))
        assert urllib3.request("POST", url, body=body, headers=headers, timeout=600).status == 200
        found["convert"] = peak()
    make_mp3_as_large(video, job.id, services)
    with served("download", environment) as (url, peak):
        Client(url, token=token).download(job.id, data / "sound.mp3")
        found["download"] = peak()
    return found


def form_of(file: BinaryIO) -> Iterator[bytes]:
    """Yield a multipart form with one file."""
    yield b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="v.avi"\r\n\r\n'
    yield from iter(lambda: file.read(BLOCK), b"")
    yield b"\r\n--frontier--\r\n"


def make_mp3_as_large(video: Path, job_id: str, services: Services) -> None:
    """Put as many bytes as the video has where the job's MP3 is, to download them."""
    job = services.jobs.find(job_id)
    assert job is not None
    services.mp3s.delete(str(job.mp3_fid))
    writer = services.mp3s.create(str(job.mp3_fid), MediaInfo(OWNER, "a.mp3", "audio/mpeg", job.id))
    with video.open("rb") as file:
        while block := file.read(BLOCK):
            writer.write(block)
    writer.commit()


@contextmanager
def served(name: str, environment: dict[str, str]) -> Iterator[tuple[str, Callable[[], float]]]:
    """Serve a function on a free port; yield its address and what reads its worker's peak."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-c", "python:soundlift.common.serving", f"functions.{name}.handler:app"],
        env={**os.environ, **environment, "HOST": "127.0.0.1", "PORT": str(port)},
        stdout=subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                urllib3.request("GET", f"http://127.0.0.1:{port}/_/health", retries=False)
                break
            except urllib3.exceptions.HTTPError:
                assert process.poll() is None
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}", lambda: worker_peak(process.pid)
    finally:
        process.terminate()
        process.wait()


def worker_peak(master: int) -> float:
    """Return the largest resident memory so far of gunicorn's one worker, in MB."""
    (worker,) = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{worker}/status").read_text())
    assert peak is not None
    return int(peak[1]) / 1024


if __name__ == "__main__":
    main()
