"""Measures the images as containers: size above the base, start to the first 200, and memory when idle.

Run `make images` first; name its base with --base, and Docker or Podman by BUILDER. With --pipeline it measures the way
of a short clip through a stack of containers instead, over the servers that DATABASE_URL, BROKER_URL, MEDIA_URL and
SMTP_URL name. Let them be its own, for jobs and mails stay there.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

from functions.convert.encode.ffmpeg import binary
from soundlift.common.auth.tokens import Tokens
from soundlift.common.db.migrations import migrate
from soundlift.local.stack import read_stack

FUNCTIONS = read_stack(Path("stack.yml"))
PREFIX, _, TAG = FUNCTIONS[0].image.rpartition("/")
IMAGES = {function.name: function.image for function in FUNCTIONS} | {
    "connector": f"{PREFIX}/connector:{TAG.partition(':')[2]}"
}
FENCE = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host")
NOWHERE = {
    "database-url": "mysql://soundlift@127.0.0.1:9/soundlift",
    "broker-url": "amqp://127.0.0.1:9",
    "media-url": "mongodb://127.0.0.1:9",
    "smtp-url": "smtp://127.0.0.1:9",
}
BUILDER = os.environ.get("BUILDER") or shutil.which("docker") or "podman"
SETTLE_SECONDS = 1
OF_PIPELINE = ("upload", "jobs", "convert", "notify")
CLIP_SECONDS = 10


@dataclass(frozen=True)
class Container:
    """Is a running image, which answered `seconds` after it was started."""

    id: str
    url: str
    seconds: float


def main() -> None:
    """Print one row for each image, or for each step of a clip's way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default="docker.io/library/python:3.13-slim")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pipeline", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        if chosen.pipeline:
            print_pipeline(chosen.rounds, Path(folder))
        else:
            print_images(chosen.base, chosen.rounds, Path(folder))


def print_images(base: str, rounds: int, folder: Path) -> None:
    """Measure each image by itself."""
    write_secrets(folder, {**NOWHERE, "jwt-secret": secrets.token_hex()})
    print(f"{'image':<10} {'MB above base':>14} {'start to 200, s':>16} {'idle, MB':>9}")
    for name, image in IMAGES.items():
        runs = []
        for _ in range(rounds):
            with running(name, folder) as container:
                time.sleep(SETTLE_SECONDS)
                runs.append(
                    (container.seconds, memory_of(int(called("inspect", "--format={{.State.Pid}}", container.id))))
                )
        seconds, memory = (statistics.median(values) for values in zip(*runs, strict=True))
        print(f"{name:<10} {(size_of(image) - size_of(base)) / 1e6:>14.1f} {seconds:>16.2f} {memory:>9.1f}")


def print_pipeline(rounds: int, folder: Path) -> None:
    """Send a clip through a stack, again and again, one at a time."""
    own = {name: os.environ[name.upper().replace("-", "_")] for name in NOWHERE}
    secret = secrets.token_hex()
    write_secrets(folder, {**own, "jwt-secret": secret})
    migrate(own["database-url"])
    token = Tokens(secret, sign_in_seconds=3600, link_seconds=3600).sign_in("bench@example.org", admin=False)
    clip = make_clip(folder / "clip.mp4")
    with ExitStack() as stack:
        urls = {name: stack.enter_context(running(name, folder)).url for name in OF_PIPELINE}
        subscribers = f"video={urls['convert']},mp3={urls['notify']}"
        stack.enter_context(running("connector", folder, SUBSCRIBERS=subscribers))
        ways = [way_of(clip, urls, {"Authorization": f"Bearer {token}"}) for _ in range(rounds)]
    print(f"{'since the upload began':<24} {'median, s':>10} {'most, s':>8}")
    for step in ways[0]:
        values = [way[step] for way in ways]
        print(f"{step:<24} {statistics.median(values):>10.2f} {max(values):>8.2f}")


def way_of(clip: bytes, urls: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, float]:
    """Return the seconds until each step of one clip's way is seen."""
    began = time.monotonic()
    answer = urllib3.request("POST", urls["upload"], body=clip, headers={**headers, "X-Filename": "clip.mp4"})
    assert answer.status == 202, answer.data
    found = {"answered": time.monotonic() - began}
    job: dict[str, Any] = {"state": "queued", "notifications": []}
    while not any(one["delivered_at"] for one in job["notifications"]):
        job = urllib3.request("GET", f"{urls['jobs']}/{answer.json()['job_id']}", headers=headers).json()
        if job["state"] == "ready":
            found.setdefault("ready", time.monotonic() - began)
        assert job["state"] != "failed", job
        time.sleep(0.01)
    return {**found, "told": time.monotonic() - began}


def make_clip(file: Path) -> bytes:
    """Return a short video with sound."""
    sources = [f"testsrc2=d={CLIP_SECONDS}:s=640x360:r=25", f"sine=d={CLIP_SECONDS}:r=44100"]
    inputs = [part for source in sources for part in ("-f", "lavfi", "-i", source)]
    codecs = ("-c:v", "mpeg4", "-c:a", "aac")
    subprocess.run([binary(), "-nostdin", "-v", "error", *inputs, *codecs, str(file)], check=True)
    return file.read_bytes()


def write_secrets(folder: Path, values: Mapping[str, str]) -> None:
    """Write secrets as files that the images' user may read."""
    for name, value in values.items():
        (folder / name).write_text(value)


def size_of(image: str) -> int:
    """Return an image's size in bytes."""
    return int(called("image", "inspect", "--format={{.Size}}", image))


@contextmanager
def running(name: str, folder: Path, **variables: str) -> Iterator[Container]:
    """Run an image until the block ends, from its first 200 on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    own = {"HOST": "127.0.0.1", "PORT": port, "CONNECTOR_PORT": port, **variables}
    settings = [f"--env={key}={value}" for key, value in own.items()]
    url = f"http://127.0.0.1:{port}"
    health = f"{url}/healthz" if name == "connector" else f"{url}/_/health"
    began = time.monotonic()
    mount = f"--volume={folder}:/var/openfaas/secrets:ro"
    container = called("run", "--detach", *FENCE, mount, *settings, IMAGES[name])
    try:
        while not answers(health):
            time.sleep(0.01)
        yield Container(container, url, time.monotonic() - began)
    finally:
        called("rm", "--force", container)


def answers(url: str) -> bool:
    """Tell whether a server answers 200."""
    try:
        return urllib3.request("GET", url, retries=False, timeout=1).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def memory_of(pid: int) -> float:
    """Return the proportional set size of a process and its children, in megabytes."""
    children = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    total = 0.0
    for one in [pid, *children]:
        lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1000
    return total


def called(*arguments: str) -> str:
    """Return what the builder prints."""
    return subprocess.run([BUILDER, *arguments], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
