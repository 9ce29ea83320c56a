"""Measures the images: size above the base image, time to the first 200 response, and memory when idle.

Requires Docker or Podman, and the images of `make images`. BUILDER names the program, BASE_IMAGE the base image.
"""

from __future__ import annotations

import os
import secrets
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import urllib3

from bench.harness.comparison import Goal, Result, Row, Sample
from bench.harness.processes import children
from devservers.ports import free_port
from devservers.server import NotInstalled
from devservers.waiting import wait_for
from soundlift.common.process.temporary_folders import temporary_folder
from soundlift.local.stack import read_stack

FUNCTIONS = read_stack(Path("stack.yml"))
PREFIX, _, TAG = FUNCTIONS[0].image.rpartition("/")
IMAGES = {function.name: function.image for function in FUNCTIONS} | {
    "connector": f"{PREFIX}/connector:{TAG.partition(':')[2]}"
}
BASE = os.environ.get("BASE_IMAGE") or "docker.io/library/python:3.13-slim"
BUILDER = os.environ.get("BUILDER") or shutil.which("docker") or "podman"
SANDBOX = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host")
UNREACHABLE = {
    "database-url": "mysql://soundlift@127.0.0.1:9/soundlift",
    "broker-url": "amqp://127.0.0.1:9",
    "media-url": "mongodb://127.0.0.1:9",
    "smtp-url": "smtp://127.0.0.1:9",
}
ROUNDS = 5
SETTLE_SECONDS = 1
MAX_MEGABYTES = dict.fromkeys(IMAGES, 70) | {"convert": 330}
MAX_SECONDS = dict.fromkeys(IMAGES, 0.6) | {"convert": 1.0}


@dataclass(frozen=True)
class Container:
    """A running container, and the seconds from its start to its first 200 response."""

    pid: int
    seconds: float


def size(row: Row, name: str) -> Result:
    """Return the size of an image above its base image, in MB."""
    return Result(row, Sample((_image_size(IMAGES[name]) - _image_size(BASE)) / 1e6))


def start(row: Row, name: str) -> Result:
    """Return the median time from a container's start to its first 200 response, and its memory when idle."""
    _image_size(IMAGES[name])
    with temporary_folder("bench") as folder:
        folder.chmod(0o755)
        _write_secrets(folder, {**UNREACHABLE, "jwt-secret": secrets.token_hex()})
        samples = [_started(name, folder) for _ in range(ROUNDS)]
    return Result(row, Sample(statistics.median(one.value for one in samples), samples[-1].peak_mb))


def _started(name: str, folder: Path) -> Sample:
    with _running(name, folder) as container:
        time.sleep(SETTLE_SECONDS)
        return Sample(container.seconds, _memory(container.pid))


def _write_secrets(folder: Path, values: Mapping[str, str]) -> None:
    for name, value in values.items():
        (folder / name).write_text(value)


def _image_size(image: str) -> int:
    try:
        return int(_call("image", "inspect", "--format={{.Size}}", image))
    except (OSError, subprocess.CalledProcessError):
        raise NotInstalled(f"The image {image}", "run `make images`") from None


@contextmanager
def _running(name: str, folder: Path) -> Iterator[Container]:
    """Run an image, and yield once it has answered 200."""
    port = str(free_port())
    settings = [f"--env={variable}" for variable in ("HOST=127.0.0.1", f"PORT={port}", f"CONNECTOR_PORT={port}")]
    health = f"http://127.0.0.1:{port}{'/healthz' if name == 'connector' else '/_/health'}"
    mount = f"--volume={folder}:/var/openfaas/secrets:ro"
    began = time.monotonic()
    container = _call("run", "--detach", *SANDBOX, mount, *settings, IMAGES[name])
    try:
        wait_for(lambda: _answers(health), f"{name} answers")
        seconds = time.monotonic() - began
        yield Container(int(_call("inspect", "--format={{.State.Pid}}", container)), seconds)
    finally:
        _call("rm", "--force", container)


def _answers(url: str) -> bool:
    try:
        return urllib3.request("GET", url, retries=False, timeout=1).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def _memory(pid: int) -> float:
    """Return the proportional set size of a process and its children, in MB (Linux)."""
    total = 0.0
    for one in (pid, *children(pid)):
        lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1000
    return total


def _call(*arguments: str) -> str:
    """Run the builder and return its output."""
    return subprocess.run([BUILDER, *arguments], capture_output=True, text=True, check=True).stdout.strip()


ROWS: dict[Row, Callable[[Row], Result]] = {
    **{Row(f"image-size-{name}", "MB", Goal(limit, of="ours")): partial(size, name=name)
       for name, limit in MAX_MEGABYTES.items()},
    **{Row(f"image-start-{name}", "s", Goal(limit, of="ours")): partial(start, name=name)
       for name, limit in MAX_SECONDS.items()},
}  # fmt: skip
