"""The manifests of deploy/ as `kubectl apply` reads them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
TEMPLATE = ROOT / "template" / "python3-soundlift"
Manifest = dict[str, Any]


def manifests_in(file: Path) -> list[Manifest]:
    """Return the objects in a file, with each List expanded."""
    found: list[Manifest] = []
    for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
        found += document["items"] if document["kind"] == "List" else [document]
    return found


def rendered(folder: Path) -> list[Manifest]:
    """Return the objects that `kubectl apply -k` creates; needs kubectl."""
    printed = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=True).stdout
    return list(yaml.safe_load_all(printed))


def only_manifest(file: Path, kind: str) -> Manifest:
    """Return the only object of the given kind in a file."""
    (found,) = [manifest for manifest in manifests_in(file) if manifest["kind"] == kind]
    return found


def container_environment(container: Manifest) -> dict[str, str | None]:
    """Return a container's variables, with None for values from a ConfigMap."""
    return {entry["name"]: entry.get("value") for entry in container.get("env", [])}


def image_environment() -> dict[str, str]:
    """Return the environment variables of every function's image."""
    (block,) = re.findall(r"^ENV ((?:.*\\\n)+.*)", (TEMPLATE / "Dockerfile").read_text(), re.MULTILINE)
    return dict(re.findall(r"^\s*([A-Z_]+)=(\S+)", block, re.MULTILINE))


def allocator_environment() -> dict[str, str]:
    """Return the variables of the images that configure the memory allocator."""
    return {name: value for name, value in image_environment().items() if name.startswith("MALLOC_")}


def parse_go_duration(duration: str) -> int:
    """Return the seconds of a duration in Go's format."""
    minutes, seconds = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", duration).groups()  # type: ignore[union-attr]  # the tests' durations match
    return int(minutes or 0) * 60 + int(seconds or 0)


def mounted_secrets(pod: Manifest) -> set[str]:
    """Return the names of the secrets that are mounted in a pod."""
    sources = [source for volume in pod["volumes"] for source in volume.get("projected", {}).get("sources", [])]
    return {source["secret"]["name"] for source in sources}
