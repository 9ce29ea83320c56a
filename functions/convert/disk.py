"""The distinction between errors of the worker, such as a full disk, and errors of the video."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from soundlift.common.errors import Unavailable

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
NO_PROCESS = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ESRCH, errno.EPERM)
MIN_FREE_BYTES = 2**20


def check_disk(status: int, folder: Path) -> None:
    """Raise Unavailable if FFmpeg exited with `status` because the disk of `folder` is full.

    FFmpeg exits with its first error, a negative errno, of which the parent process receives the lowest 8 bits. The
    text of the report is not used, because it may quote the file.
    """
    is_full = 256 - status in NO_SPACE or shutil.disk_usage(folder).free < MIN_FREE_BYTES
    if status != 0 and is_full:
        raise _full()


@contextmanager
def worker_errors_as_unavailable() -> Iterator[None]:
    """Raise Unavailable if the block fails because the disk is full, or no process or file can be opened."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise _full() from None
        if error.errno in NO_PROCESS:
            detail = "The worker cannot start another process; the job will be retried."
            raise Unavailable(detail, retry_after=60, cause=str(error)) from None
        raise


def _full() -> Unavailable:
    return Unavailable("The worker's disk is full; the job will be retried.", retry_after=60)
