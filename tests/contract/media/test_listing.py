"""The listing of any media store."""

from __future__ import annotations

import time

import pytest

from soundlift.common.errors import StoreUnavailable
from soundlift.common.media import MediaStore, list_files, new_media_id
from tests.contract.media.medium import Medium
from tests.contract.media.stored_files import CHUNK, INFO, write_file


@pytest.fixture(autouse=True)
def _empty(medium: Medium) -> None:
    """Delete what other tests have left: they share a server."""
    for bucket in ("videos", "mp3s"):
        store = medium.open(bucket)
        for file in list_files(store):
            store.delete(file.fid)


def test_an_empty_store_lists_no_file(store: MediaStore) -> None:
    assert list(list_files(store)) == []


def test_a_listing_has_the_size_and_the_time_of_each_file(store: MediaStore) -> None:
    small, large = write_file(store, b"12345"), write_file(store, bytes(3 * CHUNK + 5))
    listed = {file.fid: file for file in list_files(store)}
    assert {fid: file.size for fid, file in listed.items()} == {small: 5, large: 3 * CHUNK + 5}
    assert all(file.committed and file.ours for file in listed.values())
    assert all(abs(file.modified_at - time.time()) < 60 for file in listed.values())


def test_a_listing_has_the_remains_of_a_dead_writer_until_they_are_deleted(store: MediaStore) -> None:
    fid = new_media_id()
    writer = store.create(fid, INFO)
    writer.write(bytes(2 * CHUNK))
    (listed,) = list_files(store)
    assert (listed.fid, listed.committed, listed.size) == (fid, False, 0)
    assert listed.modified_at < time.time() + 60  # moto says 2010
    store.delete(fid)
    assert list(list_files(store)) == []
    writer.abort()


def test_a_listing_has_one_bucket_only(medium: Medium) -> None:
    write_file(medium.open("videos"), b"video")
    audio = write_file(medium.open("mp3s"), b"audio")
    assert [file.fid for file in list_files(medium.open("mp3s"))] == [audio]


def test_files_of_other_names_are_left_out(folder_medium: Medium) -> None:
    store = folder_medium.open()
    fid = write_file(store, b"content")
    folder = next(path for path in folder_medium.remains(fid)).parent
    (folder / "notes.txt").write_text("not a media id")
    (folder / ("e" * 24)).mkdir()
    assert [file.fid for file in list_files(store)] == [fid]


def test_a_store_that_is_away_cannot_be_listed(medium: Medium) -> None:
    store = medium.open_with_short_timeout()
    write_file(store, b"content")
    medium.cut_off()
    try:
        with pytest.raises(StoreUnavailable):
            list(list_files(store))
    finally:
        medium.restore()
