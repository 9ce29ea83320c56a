"""Records of unfinished uploads, by which a later process continues what a killed one has begun.

Each is a small file in the user's folder for state, accessible to its owner only. A process that uploads holds a lock
on it, which the kernel releases when the process ends; another process that uploads the same file keeps no record.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from platformdirs import user_state_path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

SUFFIX = ".json"
DIGITS = 32
MAX_BYTES = 4096
OLD_SECONDS = 14 * 24 * 3600  # servers keep an unfinished upload for a day, unless RESUME_SECONDS is set there
OPEN_TRIES = 3


@dataclass(frozen=True)
class Begun:
    """An upload that has begun: its path at the server, which says in which way it is sent, and its key."""

    path: str
    key: str

    @classmethod
    def of(cls, text: bytes) -> Self | None:
        """Parse the content of a file; return None if it was not written completely."""
        try:
            document = json.loads(text)
            path, key = document["path"], document["key"]
        except (ValueError, KeyError, TypeError):
            return None
        return cls(path, key) if isinstance(path, str) and isinstance(key, str) else None


class UploadRecord:
    """The record of one file on its way to one server; nobody else uses it until it is closed."""

    def __init__(self, file: Path, descriptor: int) -> None:
        self._file = file
        self._descriptor = descriptor
        self.begun = Begun.of(os.pread(descriptor, MAX_BYTES, 0))

    def save(self, begun: Begun) -> None:
        """Replace what the file says; raises OSError."""
        content = json.dumps(asdict(begun)).encode()
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, content, 0)
        os.fsync(self._descriptor)
        self.begun = begun

    def remove(self) -> None:
        """Delete the file: the upload has ended, or the server does not know it any more."""
        with suppress(OSError):
            self._file.unlink(missing_ok=True)

    def close(self) -> None:
        """Release the record, and remove it if it says nothing."""
        if self.begun is None:
            self.remove()
        os.close(self._descriptor)


class UploadRecords:
    """All records of a user on this machine; `folder` replaces the platform's."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    @property
    def is_empty(self) -> bool:
        """Return whether no upload has been interrupted, or none can be continued."""
        try:
            return not any(self._path.glob(f"*{SUFFIX}"))
        except OSError:
            return True

    def open(self, identity: Mapping[str, object]) -> UploadRecord | None:
        """Return the record of the upload that `identity` describes, or None.

        There is none while another process has it, or if it cannot be written, such as in a read-only container:
        uploads work without records.
        """
        if fcntl is None:
            return None
        text = json.dumps(identity, sort_keys=True, default=str).encode("utf-8", "surrogatepass")
        try:
            folder = self._path
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _remove_old(folder)
            return _open(folder / f"{hashlib.sha256(text).hexdigest()[:DIGITS]}{SUFFIX}")
        except OSError:
            return None

    @property
    def _path(self) -> Path:
        return self._folder or user_state_path("soundlift", appauthor=False) / "uploads"


def _open(file: Path) -> UploadRecord | None:
    """Return a record, once its lock is that of the file which has the name now: the last owner may have deleted it."""
    for _ in range(OPEN_TRIES):
        descriptor = _locked(file, os.O_RDWR | os.O_CREAT)
        if descriptor is None:
            return None
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.lstat(file)):
                return UploadRecord(file, descriptor)
        os.close(descriptor)
    return None


def _locked(file: Path, flags: int) -> int | None:
    """Return the descriptor of a file with its lock, or None if another process has that; raises OSError."""
    descriptor = os.open(file, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return None
        raise
    return descriptor


def _remove_old(folder: Path) -> None:
    """Remove the records of uploads that nobody has continued."""
    for file in folder.glob(f"*{SUFFIX}"):
        with suppress(OSError):
            if time.time() - file.lstat().st_mtime < OLD_SECONDS:
                continue
            descriptor = _locked(file, os.O_RDWR)
            if descriptor is not None:
                file.unlink(missing_ok=True)
                os.close(descriptor)
