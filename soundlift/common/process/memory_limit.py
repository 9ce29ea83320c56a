"""The memory that this process may use: its container's limit, or the machine's memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")
CGROUPS = "sys/fs/cgroup"
CGROUP_V2_FILE = "memory.max"
CGROUP_V1_FILE = "memory.limit_in_bytes"


def memory_limit(root: Path = ROOT) -> int | None:
    """Return the lowest limit in bytes that applies to this process, or None if none can be read.

    A cgroup without a limit has the value "max" (version 2) or a number larger than any memory (version 1); then the
    limit is the memory of the machine. `root` is the folder that contains proc and sys.
    """
    limits = [limit for file in _files(root) if (limit := _read_number(file)) is not None]
    return min([*limits, *_machine_memory()], default=None)


def _files(root: Path) -> Iterator[Path]:
    """Yield the files with a limit, of the process's own cgroup and of all its parents.

    A container without a cgroup namespace reads the host's path of its cgroup, while that cgroup is mounted as the root
    (cgroup_namespaces(7)), so the root is always included.
    """
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if not controllers:
            folder, name = root / CGROUPS, CGROUP_V2_FILE
        elif "memory" in controllers.split(","):
            folder, name = root / CGROUPS / "memory", CGROUP_V1_FILE
        else:
            continue
        own = folder / path.strip("/")
        yield from (cgroup / name for cgroup in (own, *own.parents) if cgroup.is_relative_to(folder))


def _lines(file: Path) -> list[str]:
    try:
        return [line for line in file.read_text().splitlines() if line.count(":") >= 2]
    except OSError:
        return []


def _read_number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def _machine_memory() -> list[int]:
    try:
        return [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    except (OSError, ValueError):
        return []
