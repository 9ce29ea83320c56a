"""Reads the manifests of deploy/ as `kubectl apply` would see them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
TEMPLATE = ROOT / "template" / "python3-soundlift"
Manifest = dict[str, Any]


def manifests_in(file: Path) -> list[Manifest]:
    """Return the objects of a file, those of a List one by one."""
    found: list[Manifest] = []
    for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
        found += document["items"] if document["kind"] == "List" else [document]
    return found


def one_of(file: Path, kind: str) -> Manifest:
    """Return the only object of a kind in a file."""
    (found,) = [manifest for manifest in manifests_in(file) if manifest["kind"] == kind]
    return found


def stack_environment(container: Manifest) -> dict[str, str | None]:
    """Return a container's variables; those whose value stands in a ConfigMap have none."""
    return {entry["name"]: entry.get("value") for entry in container.get("env", [])}


def environment_of_images() -> dict[str, str]:
    """Return the variables that every function's image sets."""
    (block,) = re.findall(r"^ENV ((?:.*\\\n)+.*)", (TEMPLATE / "Dockerfile").read_text(), re.MULTILINE)
    return dict(re.findall(r"^\s*([A-Z_]+)=(\S+)", block, re.MULTILINE))


def memory_environment_of_images() -> dict[str, str]:
    """Return those of them that configure the memory allocator."""
    return {name: value for name, value in environment_of_images().items() if name.startswith("MALLOC_")}


def seconds_of(duration: str) -> int:
    """Return the seconds of a duration as Go writes it."""
    minutes, seconds = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", duration).groups()  # type: ignore[union-attr]  # it is one
    return int(minutes or 0) * 60 + int(seconds or 0)


def secrets_of(pod: Manifest) -> set[str]:
    """Return the names of the secrets that are files in a pod."""
    sources = [source for volume in pod["volumes"] for source in volume.get("projected", {}).get("sources", [])]
    return {source["secret"]["name"] for source in sources}
