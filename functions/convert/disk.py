"""Finds out from the system whether FFmpeg failed because there is no space left for what it writes."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from soundlift.common.errors import Unavailable

# FFmpeg exits with its first error, a negative errno, of which a parent sees the lowest 8 bits.
FULL = tuple(256 - number for number in (errno.ENOSPC, errno.EDQUOT))
LEAST_FREE_BYTES = 2**20


def check_disk(status: int, folder: Path) -> None:
    """Raise Unavailable where FFmpeg exited with `status` because the disk of `folder` is full.

    The words of its report are no evidence: a file may hold the same ones.
    """
    if status in FULL or (status != 0 and shutil.disk_usage(folder).free < LEAST_FREE_BYTES):
        raise Unavailable("The worker's disk is full; the job is tried again.", retry_after=60)
