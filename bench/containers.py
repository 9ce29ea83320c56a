"""Measures the images as containers: size above the base, start to the first 200, and memory when idle.

Run `make images` first; name its base with --base, and Docker or Podman by BUILDER.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import urllib3

from soundlift.local.stack import read_stack

FUNCTIONS = read_stack(Path("stack.yml"))
FENCE = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host")
NOWHERE = {
    "database-url": "mysql://soundlift@127.0.0.1:9/soundlift",
    "broker-url": "amqp://127.0.0.1:9",
    "media-url": "mongodb://127.0.0.1:9",
    "smtp-url": "smtp://127.0.0.1:9",
    "jwt-secret": "the secret of a bench, which guards nothing",
}
BUILDER = os.environ.get("BUILDER") or shutil.which("docker") or "podman"
SETTLE_SECONDS = 1


def main() -> None:
    """Print one row for each image."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default="docker.io/library/python:3.13-slim")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    base = size_of(chosen.base)
    print(f"{'image':<10} {'MB above base':>14} {'start to 200, s':>16} {'idle, MB':>9}")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        for name, value in NOWHERE.items():
            (Path(folder) / name).write_text(value)
        prefix, _, tag = FUNCTIONS[0].image.rpartition("/")
        images = {function.name: function.image for function in FUNCTIONS}
        images["connector"] = f"{prefix}/connector:{tag.partition(':')[2]}"
        for name, image in images.items():
            runs = [start(name, image, Path(folder)) for _ in range(chosen.rounds)]
            seconds, memory = (statistics.median(values) for values in zip(*runs, strict=True))
            print(f"{name:<10} {(size_of(image) - base) / 1e6:>14.1f} {seconds:>16.2f} {memory:>9.1f}")


def size_of(image: str) -> int:
    """Return an image's size in bytes."""
    return int(called("image", "inspect", "--format={{.Size}}", image))


def start(name: str, image: str, secrets: Path) -> tuple[float, float]:
    """Return the seconds from start to the first 200, and the megabytes that its processes have for themselves."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {"HOST": "127.0.0.1", "PORT": port, "CONNECTOR_PORT": port}
    own = [f"--env={key}={value}" for key, value in variables.items()]
    path = "/healthz" if name == "connector" else "/_/health"
    began = time.monotonic()
    container = called("run", "--detach", *FENCE, f"--volume={secrets}:/var/openfaas/secrets:ro", *own, image)
    try:
        while not answers(f"http://127.0.0.1:{port}{path}"):
            time.sleep(0.01)
        seconds = time.monotonic() - began
        time.sleep(SETTLE_SECONDS)
        return seconds, memory_of(int(called("inspect", "--format={{.State.Pid}}", container)))
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
