"""What every media store does. An adapter joins by a parameter of `medium`, and a fixture in conftest.py."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from soundlift.common.errors import MediaNotFound, SettingError, StoreUnavailable
from soundlift.common.media import MediaInfo, MediaStore, new_media_id, open_media
from tests.contract.medium import Medium

INFO = MediaInfo(owner="ada@example.org", file_name="a.mp4", content_type="video/mp4", job_id="1" * 24)


@pytest.fixture(params=["folder", "gridfs", "s3"])
def medium(request: pytest.FixtureRequest) -> Medium:
    found: Medium = request.getfixturevalue(f"{request.param}_medium")
    return found


@pytest.fixture
def store(medium: Medium) -> MediaStore:
    return medium.open()


def _write(store: MediaStore, *chunks: bytes, fid: str | None = None) -> str:
    fid = fid or new_media_id()
    writer = store.create(fid, INFO)
    for chunk in chunks:
        assert writer.write(chunk) == len(chunk)
    assert writer.commit() == sum(map(len, chunks))
    return fid


def _read(store: MediaStore, fid: str) -> bytes:
    reader = store.open(fid)
    with reader.file as file:
        content = file.read()
    assert reader.size == len(content)
    return content


def test_what_was_committed_can_be_read(store: MediaStore) -> None:
    assert _read(store, _write(store, b"one", b"", b"two")) == b"onetwo"


def test_a_file_of_no_bytes_is_a_file(store: MediaStore) -> None:
    assert _read(store, _write(store)) == b""


def test_any_range_can_be_read(store: MediaStore) -> None:
    content = os.urandom(3 * 2**20)
    reader = store.open(_write(store, content))
    with reader.file as file:
        assert file.seekable()
        for start, length in ((0, 1), (2**20 - 1, 2), (len(content) - 5, 5), (17, 2 * 2**20), (0, len(content))):
            file.seek(start)
            assert file.tell() == start
            found = b""
            while len(found) < length and (block := file.read(length - len(found))):
                found += block
            assert found == content[start : start + length]
        file.seek(len(content))
        assert file.read(10) == b""


def test_nothing_can_be_read_before_it_is_committed(store: MediaStore) -> None:
    fid = new_media_id()
    writer = store.create(fid, INFO)
    writer.write(b"half")
    with pytest.raises(MediaNotFound):
        store.open(fid)
    writer.commit()
    assert _read(store, fid) == b"half"


def test_what_was_aborted_was_never_there(store: MediaStore) -> None:
    fid = new_media_id()
    writer = store.create(fid, INFO)
    writer.write(b"half")
    writer.abort()
    with pytest.raises(MediaNotFound):
        store.open(fid)
    assert _read(store, _write(store, b"whole", fid=fid)) == b"whole"


def test_an_id_that_was_begun_and_left_can_be_written_again(store: MediaStore) -> None:
    fid = new_media_id()
    dead = store.create(fid, INFO)
    dead.write(b"half")
    store.delete(fid)
    assert _read(store, _write(store, b"whole", fid=fid)) == b"whole"
    dead.abort()
    assert _read(store, fid) == b"whole"


def test_what_was_deleted_is_not_there_and_deleting_it_again_is_no_error(store: MediaStore) -> None:
    fid = _write(store, b"content")
    store.delete(fid)
    store.delete(fid)
    with pytest.raises(MediaNotFound):
        store.open(fid)


def test_a_writer_whose_file_was_deleted_cannot_commit_it(store: MediaStore) -> None:
    fid = new_media_id()
    writer = store.create(fid, INFO)
    writer.write(b"content")
    store.delete(fid)
    with pytest.raises(StoreUnavailable):
        writer.commit()


@pytest.mark.parametrize("fid", ["f" * 24, "", "x", "../videos", "/etc/passwd", "F" * 24, "f" * 24 + "\n", "ü" * 24])
def test_an_id_that_does_not_exist_or_is_none_is_not_found(store: MediaStore, fid: str) -> None:
    with pytest.raises(MediaNotFound):
        store.open(fid)


def test_the_buckets_are_apart(medium: Medium) -> None:
    fid = _write(medium.open("videos"), b"video")
    with pytest.raises(MediaNotFound):
        medium.open("mp3s").open(fid)


def test_many_writers_at_once_do_not_mix(store: MediaStore) -> None:
    def write_many_chunks(number: int) -> tuple[bytes, str]:
        chunk = bytes([number]) * 10_000
        return chunk * 50, _write(store, *[chunk] * 50)

    with ThreadPoolExecutor(8) as pool:
        for content, fid in pool.map(write_many_chunks, range(8)):
            assert _read(store, fid) == content


def test_a_store_that_is_away_is_unavailable_at_every_step_and_works_again_when_it_is_back(medium: Medium) -> None:
    store = medium.open()
    fid = _write(store, b"content")
    begun = store.create(new_media_id(), INFO)
    begun.write(b"half")
    medium.go_away()
    for step in (
        lambda: store.create(new_media_id(), INFO),
        lambda: store.open(fid),
        lambda: store.delete(fid),
        store.check,
        begun.commit,
    ):
        with pytest.raises(StoreUnavailable):
            step()
    begun.abort()
    medium.come_back()
    store.check()
    assert _read(store, fid) == b"content"


STREAM = """
import re, resource, sys
from pathlib import Path
from soundlift.common.media import MediaInfo, open_media
store = open_media(sys.argv[1], "videos")
def copy(size, fid):
    writer = store.create(fid, MediaInfo("o", "f", "t", "j"))
    for _ in range(size // 2**18):
        writer.write(bytes(2**18))
    writer.commit()
    with store.open(fid).file as file:
        while file.read(2**18):
            pass
    return peak()
def peak():
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    # ru_maxrss begins with the peak of the process that started this one.
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
small = copy(2**21, "a" * 24)
print(copy(int(sys.argv[2]), "b" * 24) - small)
"""


def test_memory_does_not_grow_with_the_file(medium: Medium) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", STREAM, medium.url, str(medium.largest_file)], check=True, capture_output=True, text=True
    )
    assert int(ran.stdout) < 8 * 1024


@pytest.mark.parametrize("url", ["", "media", "ftp://host/x", "file://host/media", "file://", "file:relative"])
def test_an_address_of_no_store_is_a_clear_error(url: str) -> None:
    with pytest.raises(SettingError, match="MEDIA_URL"):
        open_media(url, "videos")
