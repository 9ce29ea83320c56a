"""What only a folder has: flushes and renames in their order, a disk that is full, and descriptors."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from soundlift.common.errors import MediaNotFound, StoreUnavailable
from soundlift.common.media import MediaInfo, MediaStore, new_media_id, open_media
from soundlift.common.media import folder as folder_module

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
    """Return what is flushed and renamed in the folder, in order; of a flushed file also how many bytes it has."""
    calls: list[tuple[str, ...]] = []
    fsync, replace = os.fsync, os.replace

    def flush(descriptor: int) -> None:
        found = os.fstat(descriptor)
        (path,) = (path for path in folder.rglob("*") if os.path.samestat(path.stat(), found))
        calls.append(("flush", path.name, *([str(found.st_size)] if path.is_file() else [])))
        fsync(descriptor)

    def rename(source: Path, target: Path) -> None:
        calls.append(("rename", source.name, target.name))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, "replace", rename)
    return calls


def _is_open(file: os.stat_result) -> bool:
    """Tell whether this process has a file open."""
    for descriptor in Path("/dev/fd").iterdir():
        with suppress(OSError):  # the listing's own is closed again
            if os.path.samestat(os.fstat(int(descriptor.name)), file):
                return True
    return False


@contextmanager
def _room_for(size: int) -> Iterator[None]:
    """Let this process write no file beyond so many bytes, as on a full disk: a write may take a part."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_folder_of_any_name_is_found_by_its_percent_encoded_address(tmp_path: Path) -> None:
    odd = tmp_path / "Ünïcode 100%25 #?"
    fid = new_media_id()
    open_media(odd.as_uri(), "videos").create(fid, INFO).commit()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [odd / "videos" / fid]


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="this system takes no advice on files")
def test_each_byte_is_sent_to_the_disk_once_while_a_file_is_written(
    store: MediaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[int, int]] = []
    advise = os.posix_fadvise

    def record(descriptor: int, begin: int, size: int, advice: int) -> None:
        sent.append((begin, size))
        advise(descriptor, begin, size, advice)

    monkeypatch.setattr(os, "posix_fadvise", record)
    monkeypatch.setattr(folder_module, "FLUSH_BYTES", 2 * BLOCK)
    writer = store.create(new_media_id(), INFO)
    for _ in range(5):
        writer.write(bytes(BLOCK))
    writer.commit()
    assert sent == [(0, 2 * BLOCK), (2 * BLOCK, 2 * BLOCK)]


def test_a_file_is_flushed_whole_before_it_gets_its_name_and_its_folder_after(
    store: MediaStore, calls: list[tuple[str, ...]]
) -> None:
    fid = new_media_id()
    writer = store.create(fid, INFO)
    for _ in range(10):
        writer.write(bytes(BLOCK))
    assert writer.commit() == 10 * BLOCK
    part = f"{fid}.part"
    assert calls == [("flush", part, str(10 * BLOCK)), ("rename", part, fid), ("flush", "videos")]


def test_a_file_that_the_disk_does_not_take_never_gets_its_name(
    store: MediaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fid = new_media_id()
    writer = store.create(fid, INFO)
    writer.write(b"content")

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreUnavailable):
        writer.commit()
    with pytest.raises(MediaNotFound):
        store.open(fid)
    writer.abort()


def test_a_chunk_of_which_the_disk_takes_a_part_is_no_chunk_taken(store: MediaStore, folder: Path) -> None:
    fid = new_media_id()
    writer = store.create(fid, INFO)
    writer.write(bytes(BLOCK))
    with _room_for(BLOCK + 10), pytest.raises(StoreUnavailable):
        writer.write(bytes(BLOCK))
    writer.abort()
    assert list(folder.rglob("*")) == [folder / "videos"]


def test_a_writer_keeps_no_file_open_after_its_end(store: MediaStore, folder: Path) -> None:
    whole, aborted = (store.create(new_media_id(), INFO) for _ in range(2))
    files = [path.stat() for path in folder.rglob("*.part")]
    assert [_is_open(file) for file in files] == [True, True]
    whole.commit()
    aborted.abort()
    assert [_is_open(file) for file in files] == [False, False]
