"""A media store in a folder: an adapter of the media-store port."""

from __future__ import annotations

import errno
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from typing_extensions import Buffer

from soundlift.common.errors import MediaNotFound, StoreUnavailable
from soundlift.common.media import ListedFile, MediaInfo, MediaReader, check_media_id, is_media_id

if TYPE_CHECKING:
    from soundlift.common.media.resumable import ResumableFiles

PART_SUFFIX = ".part"
FENCE_SUFFIX = ".fence"  # of a file that several requests write
COPIES_SUFFIX = ".copies"  # of the folder in which such a request prepares the files that replace both
KINDS = ("", PART_SUFFIX, FENCE_SUFFIX, COPIES_SUFFIX)
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class FolderStore:
    """A store that keeps each file as FOLDER/ID, or as FOLDER/ID.part until it is committed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(self, fid: str, info: MediaInfo) -> FolderWriter:
        """Begin a file; the folder keeps no metadata, since the job row has it."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            return FolderWriter(self._path(fid))
        except OSError as error:
            raise _unavailable(error) from error

    def open(self, fid: str) -> MediaReader:
        """Open a file without a buffer, since every caller reads large blocks."""
        file = self.open_file(fid)
        return MediaReader(size=os.fstat(file.fileno()).st_size, file=cast(BinaryIO, file))

    def open_file(self, fid: str) -> StoredFile:
        """Open a file whose descriptor another process can inherit."""
        try:
            return StoredFile(self._path(fid))
        except FileNotFoundError:
            raise MediaNotFound("The media store has no such file.", fid=fid) from None
        except OSError as error:
            raise _unavailable(error) from error

    def delete(self, fid: str) -> None:
        """Remove the part file, so that its writer cannot commit, then the file in case it has committed already.

        Then flush the folder: a power cut could bring the file back, when no row names it any longer.
        """
        try:
            _part_path(self._path(fid)).unlink(missing_ok=True)
            self._path(fid).with_name(fid + FENCE_SUFFIX).unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                shutil.rmtree(self._path(fid).with_name(fid + COPIES_SUFFIX))
            self._path(fid).unlink(missing_ok=True)
            if self._folder.is_dir():
                _flush_folder(self._folder)
        except OSError as error:
            raise _unavailable(error) from error

    def check(self) -> None:
        """Raise StoreUnavailable unless the folder is readable and writable."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unavailable(error) from error
        if not os.access(self._folder, os.R_OK | os.W_OK | os.X_OK):
            raise _unavailable(PermissionError(f"{self._folder} is not writable"))

    def free_bytes(self) -> int:
        """Return the free space of the disk, as far as this user may fill it."""
        try:
            return shutil.disk_usage(self._folder).free
        except OSError as error:
            raise _unavailable(error) from error

    def resumable(self) -> ResumableFiles:
        """Return the files that several requests write."""
        from soundlift.common.media.folder.resumption import FolderResumption

        return FolderResumption(self._path, _flush_folder, _unavailable)

    def list(self) -> Iterator[ListedFile]:
        """Yield the files of the folder, and what unfinished ones have left there, each entry by itself."""
        try:
            with os.scandir(self._folder) as entries:
                yield from filter(None, map(_listed, entries))
        except FileNotFoundError:
            return  # nothing has been stored yet
        except OSError as error:
            raise _unavailable(error) from error

    def _path(self, fid: str) -> Path:
        return self._folder / check_media_id(fid)


class FolderWriter:
    """A writer of a part file, which `commit` renames."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _part_path(path).open("wb", buffering=0)

    def write(self, data: bytes, /) -> int:
        """Write a complete chunk; one unbuffered write may write only part of it."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise _unavailable(error) from error
        return len(data)

    def commit(self) -> int:
        """Flush the file to the disk, rename it, and flush the folder, because a power cut could undo the rename."""
        try:
            with self._file as file:
                os.fsync(file.fileno())
                size = file.tell()
            _part_path(self._path).replace(self._path)
            _flush_folder(self._path.parent)
        except (OSError, ValueError) as error:
            raise _unavailable(error) from error
        return size

    def abort(self) -> None:
        """Remove the part file."""
        try:
            self._file.close()
            _part_path(self._path).unlink(missing_ok=True)
        except OSError:
            return  # cleanup removes the part file together with the job row


class StoredFile(io.FileIO):
    """A file in the folder; its read errors are raised as StoreUnavailable."""

    def readinto(self, buffer: Buffer, /) -> int | None:
        """Read into a buffer; raises StoreUnavailable."""
        try:
            return super().readinto(buffer)
        except OSError as error:
            raise _unavailable(error) from error

    def read(self, size: int | None = -1, /) -> bytes:
        """Read bytes; raises StoreUnavailable."""
        try:
            return super().read(-1 if size is None else size) or b""
        except OSError as error:
            raise _unavailable(error) from error


def _part_path(path: Path) -> Path:
    return path.with_name(path.name + PART_SUFFIX)


def _listed(entry: os.DirEntry[str]) -> ListedFile | None:
    """Return the file of an entry; None if it is none of the store's, or has been deleted meanwhile."""
    fid, dot, rest = entry.name.partition(".")
    suffix = dot + rest
    is_of_kind = entry.is_dir if suffix == COPIES_SUFFIX else entry.is_file
    try:
        if not is_media_id(fid) or suffix not in KINDS or not is_of_kind(follow_symlinks=False):
            return None
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    return ListedFile(fid, 0 if suffix else status.st_size, status.st_mtime, committed=not suffix)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unavailable(error: Exception) -> StoreUnavailable:
    is_full = isinstance(error, OSError) and error.errno in NO_SPACE
    detail = "The disk of the media store is full." if is_full else "The media store cannot be used."
    return StoreUnavailable(detail, cause=str(error))
