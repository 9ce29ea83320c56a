"""A deployment of processes, each started as in its image: functions, the connector, and nginx as their gateway."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import urllib3

from devservers.containers import FUNCTIONS, PUBLIC, ROOT, function_environment
from devservers.gateway import gateway
from devservers.ports import free_port, reserve_ports
from devservers.server import Server

GUNICORN = ("gunicorn", "--config", "python:soundlift.common.web.gunicorn_config")
PARTS = (*FUNCTIONS, "connector")
REPLICAS = 2
SUBSCRIBERS = {"import": "fetch", "video": "convert", "mp3": "notify", "webhook": "webhook"}  # functions by queue
POST_SECONDS = 300  # cleanup deletes up to 200 files, for which the MongoDB server of tests may take a second each
STOP_SECONDS = 30  # Kubernetes' default terminationGracePeriodSeconds


@dataclass(frozen=True)
class Process:
    """A process of a part, on its own port and with its own temporary folder."""

    part: str
    port: int
    temporary_folder: Path
    server: Server


@dataclass
class ProcessStack:
    """A deployment of processes, with up to `REPLICAS` of each part.

    `settings` are for all parts, and `settings_of` for one. `wrapper` is a command that starts each process, such as
    one that enters a namespace. The connector reaches the functions at `functions_url`, by default the gateway's
    internal port. `count` is the number of processes of each part that has more than one.
    """

    data: Path
    settings: Mapping[str, str]
    settings_of: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    count: Mapping[str, int] = field(default_factory=dict)
    wrapper: Sequence[str] = ()
    port: int = field(default_factory=free_port)
    internal_port: int = field(default_factory=free_port)
    public_url: str = ""
    functions_url: str = ""
    processes: dict[str, list[Process]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._block, ports = reserve_ports(len(PARTS) * REPLICAS)
        self._ports = {name: [ports.pop() for _ in range(REPLICAS)] for name in PARTS}
        self.gateway = gateway(
            self.data / "nginx",
            {name: self._ports[name] for name in FUNCTIONS},
            PUBLIC,
            port=self.port,
            internal_port=self.internal_port,
        )

    @property
    def url(self) -> str:
        return self.public_url or f"http://127.0.0.1:{self.port}"

    @property
    def internal_url(self) -> str:
        return f"http://127.0.0.1:{self.internal_port}"

    def start(self, checkout: Path = ROOT) -> None:
        """Start the gateway and all parts, from this or another checkout."""
        self.gateway.start()
        for name in PARTS:
            for _ in range(self.count.get(name, 1)):
                self.add(name, checkout)

    def add(self, name: str, checkout: Path = ROOT, **settings: str) -> Process:
        """Start another process of a part, on its first free port, from this or another checkout."""
        running = self.processes.setdefault(name, [])
        taken = {process.port for process in running}
        port = next(port for port in self._ports[name] if port not in taken)
        process = self._process(name, port, checkout, settings)
        running.append(process)  # before it is started, so that `stop` ends it even if it never answers
        process.server.start()
        return process

    def remove(self, process: Process) -> int:
        """Stop a process as a platform does, and return its exit code."""
        code = process.server.terminate(seconds=STOP_SECONDS)
        self.processes[process.part].remove(process)
        return code

    def replace(self, name: str, checkout: Path = ROOT, **settings: str) -> int:
        """Start a new process of a part, then stop the oldest one and return its exit code."""
        old = self.processes[name][0]
        self.add(name, checkout, **settings)
        return self.remove(old)

    def post(self, path: str) -> urllib3.BaseHTTPResponse:
        return urllib3.request("POST", self.internal_url + path, retries=False, timeout=POST_SECONDS)

    def cleanup(self) -> urllib3.BaseHTTPResponse:
        return self.post("/function/cleanup")

    def stop(self) -> None:
        for process in [process for running in self.processes.values() for process in running]:
            process.server.kill()
        self.gateway.kill()
        self._block.close()

    def _process(self, name: str, port: int, checkout: Path, settings: Mapping[str, str]) -> Process:
        temporary_folder = self.data / "tmp" / f"{name}-{port}"
        temporary_folder.mkdir(parents=True, exist_ok=True)
        command = ("soundlift.connector",) if name == "connector" else (*GUNICORN, f"functions.{name}.handler:app")
        path = "/healthz" if name == "connector" else "/_/health"

        def answers() -> bool:
            url = f"http://127.0.0.1:{port}{path}"
            return urllib3.request("GET", url, retries=False, timeout=2).status == 200

        server = Server(
            [*self.wrapper, sys.executable, "-m", *command],
            log=self.data / f"{name}-{port}.log",
            answers=answers,
            environment={**self._environment(name, port, temporary_folder, checkout), **settings},
            folder=checkout,
        )
        return Process(name, port, temporary_folder, server)

    def _environment(self, name: str, port: int, temporary_folder: Path, checkout: Path) -> dict[str, str]:
        own = {"SUBSCRIBERS": self._subscribers()} if name == "connector" else function_environment(name)
        return {
            "PYTHONPATH": str(checkout),
            "DRAIN_SECONDS": "10",
            **own,
            "EMBEDDED": "false",
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "CONNECTOR_PORT": str(port),
            "PUBLIC_URL": self.url,
            "TMPDIR": str(temporary_folder),
            **self.settings,
            **self.settings_of.get(name, {}),
        }

    def _subscribers(self) -> str:
        url = self.functions_url or self.internal_url
        return ",".join(f"{queue}={url}/function/{name}" for queue, name in SUBSCRIBERS.items())
