"""A deployment of containers, one for each function and the connector, with nginx as their gateway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import urllib3

from devservers.containers import FUNCTIONS, PUBLIC, Container, Podman, function_environment, run, write_secrets
from devservers.gateway import gateway
from devservers.ports import free_port, reserve_ports
from devservers.server import Server

SECRETS = {"DATABASE_URL": "database-url", "BROKER_URL": "broker-url", "MEDIA_URL": "media-url", "SMTP_URL": "smtp-url"}
REPLICAS = 2
MAX_JOBS = "1000"  # a test's only user uploads continuously


@dataclass
class ContainerStack:
    """A deployment of containers, with up to `REPLICAS` of each part, each on its own port."""

    podman: Podman
    data: Path
    settings: Mapping[str, str]
    secret: str
    port: int = field(default_factory=free_port)
    internal_port: int = field(default_factory=free_port)
    containers: dict[str, list[Container]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = (*FUNCTIONS, "connector")
        self._block, ports = reserve_ports(len(names) * REPLICAS)
        self._ports = {name: [ports.pop() for _ in range(REPLICAS)] for name in names}
        secrets = {SECRETS[name]: value for name, value in self.settings.items() if name in SECRETS}
        write_secrets(self.data / "secrets", {**secrets, "jwt-secret": self.secret})
        self._nginx = self._make_nginx()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def internal_url(self) -> str:
        return f"http://127.0.0.1:{self.internal_port}"

    def start(self) -> None:
        self._nginx.start()
        for name in (*FUNCTIONS, "connector"):
            self.add(name)

    def add(self, name: str) -> Container:
        """Start another container of a part, on its first free port."""
        running = self.containers.setdefault(name, [])
        taken = {container.url for container in running}
        port = next(port for port in self._ports[name] if f"http://127.0.0.1:{port}" not in taken)
        running.append(run(self.podman, name, port, self._environment(name), self.data / "secrets"))
        return running[-1]

    def replace(self, name: str) -> int:
        """Start a new container of a part, then stop the old one and return its exit code."""
        old = self.containers[name][0]
        self.add(name)
        code = old.stop()
        self.containers[name].remove(old)
        old.remove()
        return code

    def post(self, path: str) -> urllib3.BaseHTTPResponse:
        return urllib3.request("POST", self.internal_url + path, retries=False, timeout=30)

    def cleanup(self) -> urllib3.BaseHTTPResponse:
        return self.post("/function/cleanup")

    def child(self, module: str) -> Container:
        """Return the first container of the part that a module runs."""
        return self.containers[module.rpartition(".")[2]][0]

    def stop(self) -> None:
        for container in [container for running in self.containers.values() for container in running]:
            container.remove()
        self._nginx.kill()
        self._block.close()

    def _environment(self, name: str) -> dict[str, str]:
        if name == "connector":
            functions = ",".join(
                f"{topic}={self.internal_url}/function/{name}"
                for topic, name in (
                    ("import", "fetch"),
                    ("video", "convert"),
                    ("mp3", "notify"),
                    ("webhook", "webhook"),
                )
            )
            return {"SUBSCRIBERS": functions, "DRAIN_SECONDS": "10"}
        own = function_environment(name)
        if "PUBLIC_URL" in own:
            own["PUBLIC_URL"] = self.url
        if name == "upload":
            own["MAX_JOBS_IN_FLIGHT"] = MAX_JOBS
        return own

    def _make_nginx(self) -> Server:
        ports = {name: self._ports[name] for name in FUNCTIONS}
        return gateway(self.data / "nginx", ports, PUBLIC, port=self.port, internal_port=self.internal_port)
