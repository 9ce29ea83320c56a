"""Files that appear complete or not at all, and replace no other file unless asked to."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Self

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

SUFFIX = ".part"
DIGITS = 16


def check_output(path: Path, *, replace: bool) -> None:
    """Raise an OSError if a file cannot be created at a path: no folder, no right, a bad name, or something is there.

    With `replace`, a regular file may be there; a symbolic link, a folder or a device may not.
    """
    folder = path.parent
    if "\0" in str(path):
        raise OSError(errno.EINVAL, "A file name cannot contain the character NUL")
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, "The folder does not exist", str(folder))
    with suppress(FileNotFoundError):
        mode = path.lstat().st_mode  # raises OSError if the name is too long or has characters that no name has
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if stat.S_ISLNK(mode):
            raise FileExistsError(errno.EEXIST, "A symbolic link is not replaced", str(path))
        if not replace:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        if not stat.S_ISREG(mode):
            raise FileExistsError(errno.EEXIST, "Only a regular file is replaced", str(path))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "The folder is not writable", str(folder))


class PartialFile:
    """The received part of a download, next to its final path; it is kept if the download is interrupted.

    Its name is made from `key`, which stands for the download, and from the version of what is downloaded. Only one
    process at a time uses a partial file; another one that downloads the same begins its own.
    """

    def __init__(self, path: Path, key: str, version: str | None) -> None:
        self.resumable = version is not None
        self.path = path.parent / _name(key, version or secrets.token_hex(8))
        self.file = self._open()

    @classmethod
    def exists_for(cls, path: Path, key: str) -> bool:
        """Return whether a download with this key was interrupted."""
        return any(path.parent.glob(f"{_prefix(key)}*{SUFFIX}"))

    @property
    def size(self) -> int:
        """Return the number of bytes received so far."""
        return os.fstat(self.file.fileno()).st_size

    def publish(self, target: Path, *, replace: bool) -> None:
        """Give the complete file its final name; raises FileExistsError for a file that is not to be replaced."""
        self.file.flush()
        os.fsync(self.file.fileno())  # without it, a power failure may leave an empty file under the final name
        check_output(target, replace=replace)
        if replace:
            self.path.replace(target)
        else:
            move_to_new_name(self.path, target)

    def close(self, *, keep: bool) -> None:
        """Close the file, and remove it unless it is kept for a later try."""
        if not (keep and self.resumable and self.size):
            self.path.unlink(missing_ok=True)
        self.file.close()

    def remove_older(self, key: str) -> None:
        """Remove the parts of other versions of the same download, which are of no use any more."""
        for other in self.path.parent.glob(f"{_prefix(key)}*{SUFFIX}"):
            if other != self.path and _is_free(other):
                other.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(keep=kind is not None)

    def _open(self) -> BinaryIO:
        """Open the file, or one with a random name if another process, or another user, has the first."""
        try:
            file = _open_own(self.path)
        except FileExistsError:
            self.resumable = False
            self.path = self.path.with_name(_name("", secrets.token_hex(16)))
            file = _open_own(self.path)
        file.seek(0, os.SEEK_END)
        return file


def _prefix(key: str) -> str:
    return f".soundlift-{_digest(key)}-"


def _name(key: str, version: str) -> str:
    return f"{_prefix(key)}{_digest(version)}{SUFFIX}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]


def _open_own(path: Path) -> BinaryIO:
    """Open a file that this user has created and no other process is using; raises FileExistsError for any other."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    if fcntl is None:
        flags |= os.O_EXCL
    try:
        file = os.fdopen(os.open(path, flags, 0o666), "r+b")
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        raise
    if not _lock(file) or not _is_own(file, path):
        file.close()
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    return file


def _lock(file: BinaryIO) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_own(file: BinaryIO, path: Path) -> bool:
    """Return whether an open file is a regular file of this user that still has its name, and only that one."""
    status = os.fstat(file.fileno())
    mine = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
    try:
        same = os.path.samestat(status, path.lstat())
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and mine and status.st_nlink == 1 and same


def _is_free(path: Path) -> bool:
    try:
        with _open_own(path):
            return True
    except OSError:
        return False


def move_to_new_name(path: Path, target: Path) -> None:
    """Rename a file without replacing another; on a file system without hard links, an empty file comes first."""
    try:
        os.link(path, target, follow_symlinks=False)
    except FileExistsError:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
    except (OSError, NotImplementedError):
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        path.replace(target)
    else:
        path.unlink()
