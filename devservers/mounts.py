"""File systems that are mounted below a folder, which must not be there when the folder is deleted."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
MOUNT_POINT = 4  # its field
ESCAPED = re.compile(r"\\([0-7]{3})")
# What a command mounts, and the processes that it starts, are gone once it has ended, even if it is killed.
CONTAINED = ("unshare", "--mount", "--pid", "--fork", "--kill-child")


def mounted_below(folder: Path) -> list[Path]:
    """Return the mount points in a folder, the innermost first."""
    points = [Path(_unescape(line.split()[MOUNT_POINT])) for line in MOUNTS.read_text().splitlines()]
    return [point for point in reversed(points) if point.is_relative_to(folder.resolve())]


def remove_folder(folder: Path) -> None:
    """Unmount everything in a folder, then delete the folder if there is one; raises an error if that is impossible."""
    for point in mounted_below(folder):
        subprocess.run(["umount", str(point)], check=True, capture_output=True, text=True)
    if folder.exists():
        shutil.rmtree(folder)


def _unescape(text: str) -> str:
    return ESCAPED.sub(lambda found: chr(int(found[1], 8)), text)
