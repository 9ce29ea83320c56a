"""Reading from any media store: complete files, ranges and positions."""

from __future__ import annotations

import io
import os
from concurrent.futures import ThreadPoolExecutor
from typing import cast

from soundlift.common.media import MediaStore
from tests.contract.media.stored_files import CHUNK, read_file, write_file


def test_a_committed_file_can_be_read(store: MediaStore) -> None:
    assert read_file(store, write_file(store, b"one", b"", b"two")) == b"onetwo"


def test_an_empty_file_can_be_stored(store: MediaStore) -> None:
    assert read_file(store, write_file(store)) == b""


def test_any_range_can_be_read(store: MediaStore) -> None:
    content = os.urandom(3 * 2**20)
    reader = store.open(write_file(store, content))
    with reader.file as file:
        assert file.seekable()
        for start, length in ((0, 1), (2**20 - 1, 2), (len(content) - 5, 5), (17, 2 * 2**20), (0, len(content))):
            file.seek(start)
            assert file.tell() == start
            assert file.read(length) == content[start : start + length]
        file.seek(len(content))
        assert file.read(10) == b""


def test_ranges_at_chunk_boundaries_can_be_read(store: MediaStore) -> None:
    content = os.urandom(4 * CHUNK + 17)
    with store.open(write_file(store, content)).file as file:
        for border in (CHUNK, 2 * CHUNK, 4 * CHUNK, 2**18, 2**20):
            for start, length in ((border - 1, 1), (border - 1, 2), (border, 1), (border - CHUNK, CHUNK)):
                file.seek(start)
                assert file.read(length) == content[start : start + length]


def test_a_seek_may_be_relative_to_the_start_the_position_or_the_end(store: MediaStore) -> None:
    with store.open(write_file(store, b"0123456789")).file as file:
        assert (file.seek(3), file.read(2)) == (3, b"34")
        assert (file.seek(2, os.SEEK_CUR), file.read(1)) == (7, b"7")
        assert (file.seek(-4, os.SEEK_END), file.read(1)) == (6, b"6")
        assert (file.seek(100), file.read(1)) == (100, b"")
        assert (file.seek(0), file.read(0), file.read(1)) == (0, b"", b"0")


def test_an_empty_file_has_no_range(store: MediaStore) -> None:
    reader = store.open(write_file(store, b"", b""))
    with reader.file as file:
        assert (reader.size, file.read(1), file.seek(0, os.SEEK_END)) == (0, b"", 0)


def test_a_read_returns_all_requested_bytes(store: MediaStore) -> None:
    content = os.urandom(3 * CHUNK + 5)
    with store.open(write_file(store, content)).file as file:
        file.seek(CHUNK - 3)
        assert file.read(16) == content[CHUNK - 3 : CHUNK + 13]
        assert file.read(len(content)) == content[CHUNK + 13 :]


def test_a_read_without_a_size_returns_the_rest(store: MediaStore) -> None:
    content = os.urandom(CHUNK + 5)
    fid = write_file(store, content)
    for arguments in ((), (-1,)):
        with store.open(fid).file as file:
            assert (file.read(3), file.read(*arguments), file.read(*arguments)) == (content[:3], content[3:], b"")


def test_a_file_can_be_read_into_a_buffer(store: MediaStore) -> None:
    content = os.urandom(CHUNK + 5)
    buffer = bytearray(CHUNK + 1)
    with cast(io.RawIOBase, store.open(write_file(store, content)).file) as file:
        assert (file.readinto(buffer), bytes(buffer)) == (CHUNK + 1, content[: CHUNK + 1])
        assert (file.readinto(buffer), bytes(buffer[:4])) == (4, content[CHUNK + 1 :])
        assert (file.readinto(buffer), file.tell()) == (0, len(content))


def test_a_file_can_be_read_concurrently(store: MediaStore) -> None:
    content = os.urandom(2**21)
    fid = write_file(store, content)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: read_file(store, fid) == content, range(8))) == {True}
