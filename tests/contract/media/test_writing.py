"""Writing to any media store: commits, aborts and deletes."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from soundlift.common.errors import MediaNotFound, StoreUnavailable
from soundlift.common.media import MediaStore, new_media_id
from tests.contract.media.medium import Medium
from tests.contract.media.stored_files import BEYOND_ALL_BUFFERS, CHUNK, INFO, read_file, write_file

MALFORMED_IDS = ["", "x", "../videos", "/etc/passwd", "F" * 24, "f" * 24 + "\n", "ü" * 24]


def test_a_file_may_be_written_in_chunks_of_any_size(store: MediaStore) -> None:
    content = os.urandom(3 * CHUNK + 5)
    for size in (CHUNK - 1, CHUNK, CHUNK + 1, len(content)):
        pieces = [content[start : start + size] for start in range(0, len(content), size)]
        assert read_file(store, write_file(store, *pieces)) == content


def test_a_file_cannot_be_read_before_its_commit(store: MediaStore) -> None:
    fid = new_media_id()
    writer = store.create(fid, INFO)
    writer.write(b"half")
    with pytest.raises(MediaNotFound):
        store.open(fid)
    writer.commit()
    assert read_file(store, fid) == b"half"


def test_an_aborted_file_is_not_found_and_its_id_can_be_written_again(store: MediaStore) -> None:
    fid = new_media_id()
    writer = store.create(fid, INFO)
    writer.write(b"half")
    writer.abort()
    with pytest.raises(MediaNotFound):
        store.open(fid)
    assert read_file(store, write_file(store, b"whole", fid=fid)) == b"whole"


def test_an_aborted_file_leaves_no_trace(medium: Medium) -> None:
    fid = new_media_id()
    writer = medium.open().create(fid, INFO)
    writer.write(bytes(21 * CHUNK))
    assert medium.remains(fid) != []
    writer.abort()
    assert medium.remains(fid) == []


def test_an_abort_after_the_commit_has_no_effect(store: MediaStore) -> None:
    fid = new_media_id()
    writer = store.create(fid, INFO)
    writer.write(b"content")
    writer.commit()
    writer.abort()
    assert read_file(store, fid) == b"content"


def test_an_id_of_an_interrupted_writer_can_be_written_after_a_delete(store: MediaStore) -> None:
    fid = new_media_id()
    interrupted = store.create(fid, INFO)
    interrupted.write(b"half")
    store.delete(fid)
    assert read_file(store, write_file(store, b"whole", fid=fid)) == b"whole"
    interrupted.abort()
    assert read_file(store, fid) == b"whole"


def test_an_id_of_an_interrupted_writer_can_be_written_without_a_delete(store: MediaStore) -> None:
    fid = new_media_id()
    interrupted = store.create(fid, INFO)
    interrupted.write(bytes(BEYOND_ALL_BUFFERS))
    assert read_file(store, write_file(store, b"whole", fid=fid)) == b"whole"
    interrupted.abort()
    assert read_file(store, fid) == b"whole"


def test_an_interrupted_writer_of_the_same_id_does_not_change_a_file(store: MediaStore) -> None:
    content = os.urandom(2 * CHUNK + 5)
    fid = write_file(store, content)
    interrupted = [store.create(fid, INFO) for _ in range(2)]
    assert read_file(store, fid) == content
    for writer in interrupted:
        writer.abort()
    assert read_file(store, fid) == content


def test_a_deleted_file_is_not_found_and_can_be_deleted_again(store: MediaStore) -> None:
    fid = write_file(store, b"content")
    store.delete(fid)
    store.delete(fid)
    with pytest.raises(MediaNotFound):
        store.open(fid)


def test_a_writer_cannot_commit_a_deleted_file(store: MediaStore) -> None:
    fid = new_media_id()
    writer = store.create(fid, INFO)
    writer.write(b"content")
    store.delete(fid)
    with pytest.raises(StoreUnavailable):
        writer.commit()


@pytest.mark.parametrize("fid", ["f" * 24, *MALFORMED_IDS])
def test_an_unknown_or_malformed_id_is_not_found(store: MediaStore, fid: str) -> None:
    with pytest.raises(MediaNotFound):
        store.open(fid)


@pytest.mark.parametrize("fid", MALFORMED_IDS)
def test_a_malformed_id_can_be_neither_written_nor_deleted(store: MediaStore, fid: str) -> None:
    with pytest.raises(MediaNotFound):
        store.create(fid, INFO)
    with pytest.raises(MediaNotFound):
        store.delete(fid)


def test_deleting_an_unknown_id_is_no_error_and_deletes_nothing(store: MediaStore) -> None:
    fid = write_file(store, b"content")
    store.delete(new_media_id())
    assert read_file(store, fid) == b"content"


def test_buckets_are_separate(medium: Medium) -> None:
    fid = write_file(medium.open("videos"), b"video")
    with pytest.raises(MediaNotFound):
        medium.open("mp3s").open(fid)


def test_concurrent_writers_do_not_mix_their_files(store: MediaStore) -> None:
    def write_many_chunks(number: int) -> tuple[bytes, str]:
        chunk = bytes([number]) * 10_000
        return chunk * 50, write_file(store, *[chunk] * 50)

    with ThreadPoolExecutor(8) as pool:
        for content, fid in pool.map(write_many_chunks, range(8)):
            assert read_file(store, fid) == content
