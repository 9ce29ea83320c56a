"""Builds the images on a base image of Debian packages and runs them as a cluster would: read-only, unprivileged."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import urllib3
import yaml

from devservers.mounts import CONTAINED, remove_folder
from devservers.server import NotInstalled
from devservers.waiting import wait_for
from soundlift.local.stack import read_stack, substitute

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "containers"
BASE = "localhost/soundlift-base:bookworm"
PREFIX = "localhost/soundlift-test"
FUNCTIONS = [function.name for function in read_stack(ROOT / "stack.yml")]
PUBLIC = [function.name for function in read_stack(ROOT / "stack.yml") if not function.is_internal]
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
HOW_TO_INSTALL = "as root on Debian and Ubuntu, apt-get install podman runc debootstrap"
PACKAGES = "python3,python3-pip,ca-certificates"
# These settings also work if this machine is itself a container.
ENGINE = """
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=4096:4096"]
log_driver = "k8s-file"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
STORAGE = """
[storage]
driver = "overlay"
graphroot = "{folder}/storage"
runroot = "{folder}/run"
[storage.options.overlay]
skip_mount_home = "true" # otherwise the folder could not be removed until it is unmounted
"""
SANDBOX = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host")
STOP_TIMEOUT_SECONDS = 30  # Kubernetes' default terminationGracePeriodSeconds
BUILD_TIMEOUT_SECONDS = 900
DOWNLOAD_ATTEMPTS = 3


@dataclass(frozen=True)
class Podman:
    """Podman with its own storage below build/."""

    environment: Mapping[str, str]

    def __call__(self, *arguments: str, seconds: float = 120) -> str:
        command = ["podman", *arguments]
        ended = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, timeout=seconds
        )
        assert ended.returncode == 0, f"{' '.join(command)}: {ended.stderr[-2000:]}"
        return (ended.stdout + (ended.stderr if arguments[0] == "logs" else "")).strip()

    def megabytes_above_base(self, name: str) -> float:
        sizes = [int(self("image", "inspect", "--format={{.Size}}", image)) for image in (image_name(name), BASE)]
        return (sizes[0] - sizes[1]) / 1e6


@dataclass
class Container:
    """A running container that listens on a loopback port."""

    podman: Podman
    name: str
    image: str
    url: str
    seconds_to_start: float = field(default=0)

    def wait_until_healthy(self, path: str, since: float) -> None:
        def answers() -> bool:
            try:
                return urllib3.request("GET", self.url + path, retries=False, timeout=2).status == 200
            except urllib3.exceptions.HTTPError:
                return False

        try:
            wait_for(answers, f"{self.name} answers", seconds=60)
        except TimeoutError as error:
            error.add_note(self.log())
            raise
        self.seconds_to_start = time.monotonic() - since

    @property
    def pid(self) -> int:
        return int(self.podman("inspect", "--format={{.State.Pid}}", self.name))

    def log(self) -> str:
        return self.podman("logs", self.name)

    def stop(self) -> int:
        """Stop the container as Kubernetes does, by SIGTERM and then SIGKILL, and return the exit code."""
        self.podman("stop", f"--time={STOP_TIMEOUT_SECONDS}", self.name, seconds=STOP_TIMEOUT_SECONDS + 60)
        return int(self.podman("inspect", "--format={{.State.ExitCode}}", self.name))

    def remove(self) -> None:
        self.podman("rm", "--force", "--ignore", "--time=0", self.name)


def podman_with_images() -> Podman:
    """Build all images and return Podman; raise NotInstalled if its programs are missing."""
    if os.geteuid() != 0 or not all(shutil.which(name) for name in ("podman", "debootstrap", "runc")):
        raise NotInstalled("Podman for images", HOW_TO_INSTALL)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "containers.conf").write_text(ENGINE)
    (FOLDER / "storage.conf").write_text(STORAGE.format(folder=FOLDER))
    podman = Podman(
        {
            **os.environ,
            "CONTAINERS_CONF": str(FOLDER / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(FOLDER / "storage.conf"),
            "BUILDAH_ISOLATION": "chroot",
            # The layers of unfinished images cost a fifth of a build, and serve only the next build in this checkout.
            "BUILDAH_LAYERS": str("CI" not in os.environ).lower(),
            "BUILDER": "podman",
            "IMAGE_PREFIX": PREFIX,
            "IMAGE_TAG": "latest",
        }
    )
    with (FOLDER / "lock").open("a+") as lock:  # tests run in several processes; the first builds the images
        fcntl.flock(lock, fcntl.LOCK_EX)
        _build_once(podman, os.environ.get("PYTEST_XDIST_TESTRUNUID", ""))
    return podman


def _build_once(podman: Podman, run_id: str) -> None:
    """Build all images unless another process of this test run has already done so."""
    marker = FOLDER / "built"
    if run_id and marker.exists() and marker.read_text() == run_id:
        return
    if BASE not in podman("images", "--format={{.Repository}}:{{.Tag}}"):
        _make_base(podman)
    build = [sys.executable, str(ROOT / "deploy" / "images" / "build.py"), "--base", BASE]
    built = subprocess.run(build, env=podman.environment, capture_output=True, text=True, check=False, timeout=600)
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-4000:]
    marker.write_text(run_id)


def image_name(name: str) -> str:
    return f"{PREFIX}/{name}:latest"


def run(podman: Podman, name: str, port: int, environment: Mapping[str, str], secrets: Path) -> Container:
    """Start a container and wait until it is healthy; secrets are mounted as files, as on both platforms."""
    path = "/healthz" if name == "connector" else "/_/health"
    # All containers share the ports of this machine.
    own = {"HOST": "127.0.0.1", "PORT": str(port), "CONNECTOR_PORT": str(port), "METRICS_PORT": "0", **environment}
    container = Container(podman, f"soundlift-{name}-{port}", image_name(name), f"http://127.0.0.1:{port}")
    began = time.monotonic()
    variables = [f"--env={key}={value}" for key, value in own.items()]
    mount = f"--volume={secrets}:/var/openfaas/secrets:ro"
    podman(
        "run",
        "--detach",
        "--restart=on-failure",
        f"--name={container.name}",
        *SANDBOX,
        mount,
        *variables,
        container.image,
    )
    try:
        container.wait_until_healthy(path, began)
    except BaseException:
        container.remove()
        raise
    return container


def write_secrets(folder: Path, secrets: Mapping[str, str]) -> None:
    """Write secrets as files that the images' user can read."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)  # whatever the umask
    for name, value in secrets.items():
        (folder / name).write_text(value)
        (folder / name).chmod(0o644)


def function_environment(name: str) -> dict[str, str]:
    """Return a function's environment in stack.yml."""
    stack = yaml.safe_load(substitute((ROOT / "stack.yml").read_text(encoding="utf-8"), {}))
    environment: dict[str, str] = stack["functions"][name].get("environment", {})
    return environment


def list_files(podman: Podman, name: str, folder: str) -> set[str]:
    """Return the paths of all files in a folder of an image."""
    program = f"import os, json; print(json.dumps([os.path.join(a, c) for a, _, b in os.walk({folder!r}) for c in b]))"
    return set(json.loads(podman("run", "--rm", *SANDBOX, "--entrypoint=python3", image_name(name), "-c", program)))


def _debootstrap_log(folder: Path) -> str:
    """Return the end of debootstrap's log."""
    log = folder / "debootstrap" / "debootstrap.log"
    return log.read_text()[-2000:] if log.exists() else ""


def _make_base(podman: Podman) -> None:
    """Make a base image of Debian packages, with this machine's certificate authorities for pip."""
    folder = FOLDER / "base"
    remove_folder(folder)
    command = [*CONTAINED, "debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(folder)]
    for _ in range(DOWNLOAD_ATTEMPTS):  # downloads are kept; a mirror may be briefly unavailable
        made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        if made.returncode == 0:
            break
    assert made.returncode == 0, _debootstrap_log(folder) + made.stdout[-1000:]
    if AUTHORITIES.exists():
        shutil.copy(AUTHORITIES, folder / AUTHORITIES.relative_to("/"))
    remove_folder(folder / "var" / "cache" / "apt")
    archive = FOLDER / "base.tar"
    subprocess.run(["tar", "-C", str(folder), "-cf", str(archive), "."], check=True)
    podman("import", str(archive), BASE, seconds=300)
    archive.unlink()
    remove_folder(folder)
