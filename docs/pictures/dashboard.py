"""Take the picture of the dashboard: `python docs/pictures/dashboard.py [SECONDS]`, by default ten minutes.

Prometheus scrapes a real `soundlift up` while users upload generated videos, first few, then many, then few again; some
of the videos are broken. Then each panel of deploy/observability/dashboard.json is drawn: its expressions are evaluated
by Prometheus. Grafana is not needed, so the picture differs from what Grafana would show in its look only.
"""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from panels import Series, draw, legend

from devservers.ports import free_port
from devservers.prometheus import Prometheus
from devservers.server import Server
from soundlift.client import Client
from soundlift.client.errors import ApiError
from soundlift.common.process.ffmpeg import binary
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from soundlift.local.gateway_health import is_healthy

FOLDER = Path(__file__).parent
DASHBOARD = FOLDER.parents[1] / "deploy" / "observability" / "dashboard.json"
USERS, PASSWORD = 4, "a password for pictures"
DEFAULT_SECONDS = 600.0
SCRAPE_SECONDS, POINTS = 5, 300
BROKEN = b"\0\0\0\x18ftypisom\0\0\0\0isomiso2" + b"no media" * 100
FORMATS = ("mp3", "mp3", "opus", "m4a")
UNKNOWN_JOB = "0" * 24
SHARE_BROKEN, SHARE_WAITED, SHARE_UNKNOWN = 0.15, 0.5, 0.1


def main(seconds: float) -> None:
    """Take the picture."""
    with TemporaryDirectory() as name:
        folder, ports = Path(name), [free_port() for _ in range(3)]
        url = f"http://127.0.0.1:{ports[0]}"
        stack, prometheus = (
            _stack(folder, url, ports),
            Prometheus(folder / "prometheus", [f"127.0.0.1:{port}" for port in ports[1:]], f"{SCRAPE_SECONDS}s"),
        )
        servers = (stack, prometheus.server)
        try:
            for server in servers:
                server.start()
            began = time.time()
            _use(url, folder, seconds)
            _draw(prometheus, began, time.time())
        finally:
            for server in servers:
                server.terminate()


def _stack(folder: Path, url: str, ports: list[int]) -> Server:
    data = str(folder / "data")
    settings = {"METRICS_PORT": str(ports[1]), "CONNECTOR_PORT": str(ports[2]), "MAX_JOBS_IN_FLIGHT": "0"}
    arguments = [sys.executable, "-m", "soundlift.cli", "up", "--port", str(ports[0]), "--data", data]
    return Server(arguments, log=folder / "up.log", answers=lambda: is_healthy(url), environment=settings)


def _use(url: str, folder: Path, seconds: float) -> None:
    services = Services(Settings.from_environment({"SOUNDLIFT_DATA": str(folder / "data")}))
    emails = [f"user{number}@example.org" for number in range(USERS)]
    for email in emails:
        services.users.add(email, services.passwords.hash(PASSWORD))
    videos = [_make_video(folder / f"{length}.mp4", length) for length in (30, 240, 1500)]
    broken = folder / "broken.mp4"
    broken.write_bytes(BROKEN)
    end = time.monotonic() + seconds
    with ThreadPoolExecutor(USERS) as pool:
        clients = [Client(url, email=email, password=PASSWORD) for email in emails]
        uses = [
            pool.submit(_upload_until, end, seconds, client, random.Random(number), videos, broken)  # noqa: S311
            for number, client in enumerate(clients)
        ]
        for use in uses:
            use.result()
    services.database.engine.dispose()


def _upload_until(  # noqa: PLR0913, PLR0917 - what a user needs
    end: float, seconds: float, client: Client, chance: random.Random, videos: list[Path], broken: Path
) -> None:
    """Upload until a time, most often in the middle of it, and wait for some of the jobs."""
    client.login()
    while (left := end - time.monotonic()) > 0:
        busy = math.sin(math.pi * (1 - left / seconds)) ** 4
        file = broken if chance.random() < SHARE_BROKEN else chance.choice(videos)
        job = client.upload(file, format=chance.choice(FORMATS))
        if chance.random() < SHARE_WAITED:
            client.wait(job.id, timeout=20)
        if chance.random() < SHARE_UNKNOWN:
            with suppress(ApiError):  # 404
                client.job(UNKNOWN_JOB)
        time.sleep(max(0.0, min(left, chance.expovariate(1) * (12 - 11.5 * busy))))


def _make_video(file: Path, seconds: int) -> Path:
    sound = ["-f", "lavfi", "-i", f"anoisesrc=color=pink:amplitude=0.5:sample_rate=44100:duration={seconds}"]
    picture = ["-f", "lavfi", "-i", f"testsrc=size=160x120:rate=5:duration={seconds}"]
    arguments = [binary(), "-nostdin", "-v", "error", "-y", *sound, *picture, "-c:v", "mpeg4", "-c:a", "aac", str(file)]
    subprocess.run(arguments, check=True)
    return file


def _draw(prometheus: Prometheus, began: float, ended: float) -> None:
    step = max(1.0, (ended - began) / POINTS)
    interval = f"{math.ceil(max(step + SCRAPE_SECONDS, 4 * SCRAPE_SECONDS))}s"  # as Grafana defines it

    def read(panel: Mapping[str, Any]) -> list[Series]:
        found = []
        for target in panel["targets"]:
            expression = target["expr"].replace("$__rate_interval", interval)
            for one in prometheus.query_range(expression, began, ended, step):
                points = [(float(at), float(value)) for at, value in one["values"] if math.isfinite(float(value))]
                if points:
                    times, values = zip(*points, strict=True)
                    found.append(Series(legend(target["legendFormat"], one["metric"]), times, values))
        return found

    draw(json.loads(DASHBOARD.read_text()), read, FOLDER / "dashboard.png", began=began, ended=ended)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_SECONDS)
