"""Prometheus, which scrapes given addresses, and its tool."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3

from devservers.ports import free_port
from devservers.server import NotInstalled, Server

HOW = "on Debian and Ubuntu, apt-get install prometheus"
CONFIGURATION = """
global: {{scrape_interval: {interval}, evaluation_interval: {interval}}}
scrape_configs:
  - job_name: soundlift
    static_configs: [{{targets: {targets}}}]
"""


def promtool(*arguments: str, stdin: str = "", folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run promtool and return its outcome; raises NotInstalled."""
    program = shutil.which("promtool")
    if program is None:
        raise NotInstalled("promtool", HOW)
    return subprocess.run(
        [program, *arguments], input=stdin, cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


class Prometheus:
    """A Prometheus that is not started yet; all its files are in a new folder."""

    def __init__(self, folder: Path, targets: Iterable[str], interval: str = "15s") -> None:
        program = shutil.which("prometheus")
        if program is None:
            raise NotInstalled("prometheus", HOW)
        folder.mkdir()
        file = folder / "prometheus.yml"
        file.write_text(CONFIGURATION.format(interval=interval, targets=json.dumps(list(targets))))
        address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{address}"
        arguments = [program, f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}"]
        self.server = Server(
            [*arguments, f"--web.listen-address={address}"], log=folder / "log", answers=self._is_ready
        )

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """Return the series of an expression, each with its labels as `metric` and its `values`."""
        query = urlencode({"query": expression, "start": start, "end": end, "step": step})
        answer = urllib3.request("GET", f"{self.url}/api/v1/query_range?{query}").json()
        assert answer["status"] == "success", answer
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def _is_ready(self) -> bool:
        return urllib3.request("GET", f"{self.url}/-/ready", retries=False).status == 200
