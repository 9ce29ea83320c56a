"""Soundlift's temporary folders: removed after use, or by a later sweep if the process that used one was killed.

A folder is in use while its lock file is locked. The kernel releases the lock when the process ends, so a folder whose
lock can be acquired is left over. Folders of other users and folders without a lock file are never touched, whatever
their names.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

PREFIX = "soundlift-"
LOCK_FILE = ".soundlift-lock"

log = structlog.get_logger()


@contextmanager
def temporary_folder(purpose: str = "") -> Iterator[Path]:
    """Yield a new folder with access for its owner only, locked against the sweep; remove it with its contents."""
    folder, lock = _new_folder(f"{PREFIX}{purpose}-" if purpose else PREFIX)
    try:
        yield folder
    finally:
        _remove(folder)
        os.close(lock)


def sweep_temporary_folders() -> int:
    """Remove the folders of killed processes from the system's temporary folder, and return their number.

    Never raises OSError: a folder that cannot be removed is left to the next sweep.
    """
    swept = 0
    with suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX) and _is_own_folder(entry):
                swept += _sweep(Path(entry.path))
    if swept:
        log.info("temporary folders of killed processes removed", count=swept)
    return swept


def _new_folder(prefix: str) -> tuple[Path, int]:
    """Create a folder and return it with its lock; create another if a sweep removed it before it was locked."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix))
        try:
            lock = _lock(folder)
        except OSError:
            # No sweep removes a folder without a lock file. These calls open no file, which may be what failed.
            with suppress(OSError):
                (folder / LOCK_FILE).unlink(missing_ok=True)
                folder.rmdir()
            raise
        if lock is not None:
            return folder, lock


def _lock(folder: Path) -> int | None:
    """Return the lock of a new folder, or None if a sweep has removed the folder; raises OSError."""
    lock = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.fstat(lock).st_nlink:
            return lock
    except OSError:
        os.close(lock)
        raise
    os.close(lock)
    return None


def _is_own_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_uid == os.geteuid()
    except OSError:  # another process has removed it
        return False


def _sweep(folder: Path) -> bool:
    """Remove a folder unless it is in use, and return whether it is gone."""
    try:
        lock = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.fstat(lock).st_nlink:  # the process that used it has just removed it
            return False
        _remove(folder)
        return not folder.exists()
    except OSError:
        return False
    finally:
        os.close(lock)


def _remove(folder: Path) -> None:
    """Remove as much of a folder as possible, its lock file last: no sweep touches a folder without one."""
    with suppress(OSError):
        rest = [path for path in folder.iterdir() if path.name != LOCK_FILE]
        for path in rest:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        if not any(path.exists() for path in rest):
            shutil.rmtree(folder, ignore_errors=True)
