"""Files in a folder that are written by several requests: an adapter of the port in resumable.py.

The bytes are in FOLDER/ID.part, and the epoch that may write them is in FOLDER/ID.fence. A writer holds a lock on the
fence only while it writes one block, after it has read its own epoch there. One that is suspended in the middle of a
block cannot be waited for; then both files are replaced by copies, so that it writes to files without a name.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Self

from soundlift.common.errors import MediaNotFound, StoreUnavailable, UploadSuperseded
from soundlift.common.media import MediaInfo
from soundlift.common.media.folder import COPIES_SUFFIX, FENCE_SUFFIX, PART_SUFFIX
from soundlift.common.media.resumable import Checkpoint, SaveState

STATE = "{}"  # all that there is to know is in the folder
EPOCH_DIGITS = 20
FINISHED = 10**EPOCH_DIGITS - 1  # an epoch after all others
LOCK_SECONDS = 3.0  # far more than a block of 1 MiB takes
LOCK_PAUSE = 0.005
CHECKPOINT_BYTES = 32 * 2**20  # each costs a flush of the disk
CHECKPOINT_SECONDS = 2.0

Translate = Callable[[Exception], StoreUnavailable]


class FolderResumption:
    """The resumable files of a folder; `translate` makes our error of one of the operating system."""

    def __init__(
        self, path_of: Callable[[str], Path], flush_folder: Callable[[Path], None], translate: Translate
    ) -> None:
        self._path_of = path_of
        self._flush_folder = flush_folder
        self._translate = translate

    def begin(self, fid: str, info: MediaInfo, *, expected_bytes: int) -> str:
        """Create both files, unless an interrupted request has."""
        path = self._path_of(fid)
        with self._errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(_data_path(path), os.O_RDWR | os.O_CREAT, 0o666))
            os.close(os.open(_fence_path(path), os.O_RDWR | os.O_CREAT, 0o666))
            self._flush_folder(path.parent)
        return STATE

    def resume(self, fid: str, state: str, *, offset: int, epoch: int, save: SaveState) -> FolderResumer:
        """Open the file, and cut off what the row does not know."""
        path = self._path_of(fid)
        with self._errors(), _Fenced.open(path, epoch, offset, before_copy=lambda: save(state)) as fenced:
            with fenced.held():
                if os.fstat(fenced.data).st_size < offset:
                    raise _lost(fid)
                os.ftruncate(fenced.data, offset)
            if _copies_path(path).is_dir():  # perhaps by a killed request: a power cut must not undo the renames
                self._flush_folder(path.parent)
            return FolderResumer(fenced.kept(), offset, self._errors)

    def finish(self, fid: str, state: str, info: MediaInfo, *, size: int) -> None:
        """Give the file its name, after which no writer's epoch is valid any more."""
        path = self._path_of(fid)
        with self._errors():
            with suppress(FileNotFoundError), _Fenced.open(path, FINISHED, size) as fenced, fenced.held():
                if os.fstat(fenced.data).st_size < size:
                    raise _lost(fid)
                os.ftruncate(fenced.data, size)
                os.fsync(fenced.data)
                _data_path(path).replace(path)
            if not path.is_file() or path.stat().st_size != size:
                raise _lost(fid)
            self._flush_folder(path.parent)
            _fence_path(path).unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                shutil.rmtree(_copies_path(path))

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise MediaNotFound("The media store has lost the beginning of this file.", cause=str(error)) from None
        except OSError as error:
            raise self._translate(error) from error


class FolderResumer:
    """A writer at a position of the file."""

    checkpoint_bytes = CHECKPOINT_BYTES
    checkpoint_seconds = CHECKPOINT_SECONDS

    def __init__(self, fenced: _Fenced, offset: int, errors: Callable[[], AbstractContextManager[None]]) -> None:
        self._fenced = fenced
        self._position = offset
        self._errors = errors

    def write(self, data: bytes, /) -> None:
        """Write a complete block."""
        rest = memoryview(data)
        with self._errors(), self._fenced.held():
            while rest:
                written = os.pwrite(self._fenced.data, rest, self._position)
                self._position += written
                rest = rest[written:]

    def checkpoint(self, *, complete: bool, last: bool = False) -> Checkpoint:
        """Flush the file to the disk."""
        with self._errors():
            os.fsync(self._fenced.data)
            with self._fenced.held():
                return Checkpoint(self._position, STATE)

    def committed(self) -> None:
        """Do nothing: there is one file."""

    def close(self, *, discard: bool) -> None:
        """Close the files. What is beyond the offset of the row is cut off by the next writer."""
        self._fenced.close()


class _Fenced:
    """The open data file and its fence, for one epoch."""

    def __init__(self, path: Path, epoch: int) -> None:
        self._path = path
        self._epoch = epoch
        self._is_kept = False
        self.data = os.open(_data_path(path), os.O_RDWR)
        try:
            self._fence = os.open(_fence_path(path), os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:
            os.close(self.data)
            raise

    @classmethod
    def open(cls, path: Path, epoch: int, size: int, *, before_copy: Callable[[], None] = lambda: None) -> Self:
        """Open the files; if a suspended writer holds the lock, after replacing them by copies of `size` bytes."""
        fenced = cls(path, epoch)
        try:
            with fenced.held():
                return fenced
        except TimeoutError:
            fenced.close()
        except BaseException:
            fenced.close()
            raise
        before_copy()
        _replace_by_copies(path, size)
        return cls(path, epoch)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock while this epoch may write.

        Raises UploadSuperseded if a later one may or the files were replaced, or TimeoutError.
        """
        _lock(self._fence)
        try:
            current = _read_epoch(self._fence)
            if current > self._epoch or not self._is_current():
                raise UploadSuperseded
            if current < self._epoch:
                _write_epoch(self._fence, self._epoch)
            yield
        finally:
            fcntl.flock(self._fence, fcntl.LOCK_UN)

    def kept(self) -> Self:
        """Return this object, which stays open after its context."""
        self._is_kept = True
        return self

    def close(self) -> None:
        """Close both files."""
        os.close(self.data)
        os.close(self._fence)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._is_kept:
            self.close()

    def _is_current(self) -> bool:
        """Return whether both names still mean the open files."""
        pairs = ((self.data, _data_path(self._path)), (self._fence, _fence_path(self._path)))
        try:
            return all(os.path.samestat(os.fstat(file), path.stat()) for file, path in pairs)
        except FileNotFoundError:
            return False


def _replace_by_copies(path: Path, size: int) -> None:
    """Replace the data file, then its fence, so that whoever has the new fence has the new data.

    The copies are in a folder which remains until the file is finished or deleted, with those of killed requests.
    """
    folder, suffix = _copies_path(path), f".{secrets.token_hex(4)}"
    folder.mkdir(exist_ok=True)
    data, fence = _data_path(path), _fence_path(path)
    copies = [folder / (each.name + suffix) for each in (data, fence)]
    try:
        for each, copy in zip((data, fence), copies, strict=True):
            shutil.copyfile(each, copy)
        with copies[0].open("rb+") as file:
            file.truncate(size)
            os.fsync(file.fileno())
        copies[0].replace(data)
        copies[1].replace(fence)
    except FileNotFoundError:  # it was finished or deleted, perhaps before the folder was made
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)
        raise
    finally:
        for copy in copies:
            copy.unlink(missing_ok=True)


def _lock(file: int) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError(errno.ETIMEDOUT, "a suspended writer holds the lock of the file") from None
            time.sleep(LOCK_PAUSE)
        else:
            return


def _read_epoch(fence: int) -> int:
    return int(os.pread(fence, EPOCH_DIGITS, 0) or b"0")


def _write_epoch(fence: int, epoch: int) -> None:
    os.pwrite(fence, str(epoch).zfill(EPOCH_DIGITS).encode(), 0)


def _data_path(path: Path) -> Path:
    return path.with_name(path.name + PART_SUFFIX)


def _fence_path(path: Path) -> Path:
    return path.with_name(path.name + FENCE_SUFFIX)


def _copies_path(path: Path) -> Path:
    return path.with_name(path.name + COPIES_SUFFIX)


def _lost(fid: str) -> MediaNotFound:
    return MediaNotFound("The media store has lost the beginning of this file.", fid=fid)
