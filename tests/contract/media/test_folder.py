"""The folder store: the order of flushes and renames, disk errors, and descriptors."""

from __future__ import annotations

import errno
import io
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

import pytest

from soundlift.common.errors import MediaNotFound, StoreUnavailable
from soundlift.common.media import MediaInfo, MediaStore, new_media_id, open_media

INFO = MediaInfo(owner="ada@example.org", file_name="a.mp4", content_type="video/mp4", job_id="1" * 24)
BLOCK = 2**20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "media"


@pytest.fixture
def store(folder: Path) -> MediaStore:
    return open_media(folder.as_uri(), "videos")


@pytest.fixture
def calls(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Return the flushes and renames in the folder, in order; a flushed file with its size in bytes."""
    calls: list[tuple[str, ...]] = []
    fsync, replace = os.fsync, os.replace

    def flush(descriptor: int) -> None:
        status = os.fstat(descriptor)
        (path,) = (path for path in folder.rglob("*") if os.path.samestat(path.stat(), status))
        calls.append(("flush", path.name, *([str(status.st_size)] if path.is_file() else [])))
        fsync(descriptor)

    def rename(source: Path, target: Path) -> None:
        calls.append(("rename", source.name, target.name))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, "replace", rename)
    return calls


def _is_open(file: os.stat_result) -> bool:
    """Return whether this process has a file open."""
    for descriptor in Path("/dev/fd").iterdir():
        with suppress(OSError):  # the descriptor of the listing itself is already closed
            if os.path.samestat(os.fstat(int(descriptor.name)), file):
                return True
    return False


@contextmanager
def _file_size_limit(size: int) -> Iterator[None]:
    """Limit the size of files that this process writes, which fails like a full disk, even in the middle of a write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_folder_with_any_name_is_opened_by_its_percent_encoded_url(tmp_path: Path) -> None:
    folder = tmp_path / "Ünïcode 100%25 #?"
    fid = new_media_id()
    open_media(folder.as_uri(), "videos").create(fid, INFO).commit()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [folder / "videos" / fid]


def test_a_file_is_flushed_before_its_rename_and_its_folder_afterwards(
    store: MediaStore, calls: list[tuple[str, ...]]
) -> None:
    fid = new_media_id()
    writer = store.create(fid, INFO)
    for _ in range(10):
        writer.write(bytes(BLOCK))
    writer.write(b"end")
    size = 10 * BLOCK + len(b"end")
    assert writer.commit() == size
    part = f"{fid}.part"
    assert calls == [("flush", part, str(size)), ("rename", part, fid), ("flush", "videos")]


def test_a_file_that_cannot_be_flushed_is_not_committed(store: MediaStore, monkeypatch: pytest.MonkeyPatch) -> None:
    fid = new_media_id()
    writer = store.create(fid, INFO)
    writer.write(b"content")

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreUnavailable) as raised:
        writer.commit()
    assert os.strerror(errno.EIO) in raised.value.evidence["cause"]
    with pytest.raises(MediaNotFound):
        store.open(fid)
    writer.abort()


def test_a_chunk_that_is_written_only_partly_is_an_error(store: MediaStore, folder: Path) -> None:
    fid = new_media_id()
    writer = store.create(fid, INFO)
    writer.write(bytes(BLOCK))
    with _file_size_limit(BLOCK + 10), pytest.raises(StoreUnavailable) as raised:
        writer.write(bytes(BLOCK))
    assert os.strerror(errno.EFBIG) in raised.value.evidence["cause"]
    writer.abort()
    assert list(folder.rglob("*")) == [folder / "videos"]


def test_a_finished_writer_leaves_no_file_open(store: MediaStore, folder: Path) -> None:
    whole, aborted = (store.create(new_media_id(), INFO) for _ in range(2))
    files = [path.stat() for path in folder.rglob("*.part")]
    assert [_is_open(file) for file in files] == [True, True]
    whole.commit()
    aborted.abort()
    assert [_is_open(file) for file in files] == [False, False]


@pytest.mark.parametrize("step", ["create", "open", "delete", "check"])
def test_an_error_names_the_folder_that_cannot_be_used(store: MediaStore, folder: Path, step: str) -> None:
    folder.write_text("a file in place of the folder")
    steps: dict[str, Callable[[], object]] = {
        "create": lambda: store.create(new_media_id(), INFO),
        "open": lambda: store.open(new_media_id()),
        "delete": lambda: store.delete(new_media_id()),
        "check": store.check,
    }
    with pytest.raises(StoreUnavailable) as raised:
        steps[step]()
    assert str(folder) in raised.value.evidence["cause"]


def test_an_error_names_the_folder_that_cannot_be_written(
    store: MediaStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.check()
    permitted: set[int] = set()
    monkeypatch.setattr(os, "access", lambda path, mode: mode in permitted)  # root has all permissions
    with pytest.raises(StoreUnavailable) as raised:
        store.check()
    assert str(folder / "videos") in raised.value.evidence["cause"]
    permitted.add(os.R_OK | os.W_OK | os.X_OK)
    store.check()


def test_a_read_with_a_size_of_none_returns_the_rest(store: MediaStore) -> None:
    fid = new_media_id()
    writer = store.create(fid, INFO)
    writer.write(b"content")
    writer.commit()
    with cast(io.FileIO, store.open(fid).file) as file:
        assert (file.read(3), file.read(None), file.read(None)) == (b"con", b"tent", b"")


@pytest.mark.parametrize("into_a_buffer", [False, True])
def test_a_disk_error_in_the_middle_of_a_file_is_reported_with_its_cause(
    store: MediaStore, folder: Path, into_a_buffer: bool
) -> None:
    fid = new_media_id()
    writer = store.create(fid, INFO)
    writer.write(b"content")
    writer.commit()
    with cast(io.RawIOBase, store.open(fid).file) as file:
        assert file.read(3) == b"con"
        unreadable = os.open(folder, os.O_RDONLY)
        os.dup2(unreadable, file.fileno())
        os.close(unreadable)
        with pytest.raises(StoreUnavailable) as raised:
            file.readinto(bytearray(4)) if into_a_buffer else file.read(4)
    assert os.strerror(errno.EISDIR) in raised.value.evidence["cause"]


def test_a_full_disk_is_named_as_the_reason(store: MediaStore, folder: Path) -> None:
    fid = new_media_id()
    (folder / "videos").mkdir(parents=True)
    (folder / "videos" / f"{fid}.part").symlink_to("/dev/full")
    writer = store.create(fid, INFO)
    with pytest.raises(StoreUnavailable, match="The disk of the media store is full"):
        writer.write(b"x")
    writer.abort()
