"""Holds every media store to the port's contract."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from soundlift.common.errors import MediaNotFound, SoundliftError, StoreUnavailable
from soundlift.common.media import MediaInfo, MediaStore, new_media_id, open_media

INFO = MediaInfo("ada@example.org", "Ünïcode 🎵.mp4", "video/mp4", "0" * 24)
MEGABYTE = 2**20

NOT_IDS = ["", "../x", "/etc/passwd", "0" * 23, "0" * 25, "0" * 24 + "\n", "g" * 24, "A" * 24, "0" * 24 + ".part"]


@pytest.fixture(params=["folder"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return {"folder": f"file://{tmp_path}/media"}[request.param]


@pytest.fixture(params=["folder"])
def away(request: pytest.FixtureRequest, tmp_path: Path) -> MediaStore:
    (tmp_path / "file").write_bytes(b"a file where the folder should be")
    return open_media({"folder": f"file://{tmp_path}/file"}[request.param], "videos")


@pytest.fixture
def store(url: str) -> MediaStore:
    return open_media(url, "videos")


def put(store: MediaStore, data: bytes, fid: str | None = None) -> str:
    fid = fid or new_media_id()
    writer = store.create(fid, INFO)
    assert writer.write(data) == len(data)
    assert writer.commit() == len(data)
    return fid


def content(store: MediaStore, fid: str) -> bytes:
    reader = store.open(fid)
    with reader.file as file:
        data = file.read()
    assert reader.size == len(data)
    return data


def test_what_was_committed_is_read_back_by_another_opening_of_the_store(store: MediaStore, url: str) -> None:
    fid = put(store, b"sound of a video")
    assert content(open_media(url, "videos"), fid) == b"sound of a video"


def test_many_chunks_become_one_file_in_their_order(store: MediaStore) -> None:
    writer = store.create(fid := new_media_id(), INFO)
    for number in range(300):
        writer.write(bytes([number % 256]) * 1000)
    assert writer.commit() == 300_000
    assert content(store, fid) == b"".join(bytes([number % 256]) * 1000 for number in range(300))


def test_nothing_can_be_read_before_the_commit(store: MediaStore) -> None:
    writer = store.create(fid := new_media_id(), INFO)
    writer.write(b"half")
    with pytest.raises(MediaNotFound):
        store.open(fid)
    writer.commit()
    assert content(store, fid) == b"half"


def test_an_aborted_file_leaves_nothing(store: MediaStore, tmp_path: Path) -> None:
    writer = store.create(fid := new_media_id(), INFO)
    writer.write(b"half")
    writer.abort()
    with pytest.raises(MediaNotFound):
        store.open(fid)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_aborting_twice_or_after_the_commit_harms_nothing(store: MediaStore) -> None:
    writer = store.create(fid := new_media_id(), INFO)
    writer.write(b"whole")
    writer.commit()
    writer.abort()
    writer.abort()
    assert content(store, fid) == b"whole"


def test_a_file_of_no_bytes_is_a_file(store: MediaStore) -> None:
    writer = store.create(fid := new_media_id(), INFO)
    assert writer.commit() == 0
    assert content(store, fid) == b""


def test_a_deleted_file_is_gone_and_deleting_it_again_is_no_error(store: MediaStore) -> None:
    fid = put(store, b"whole")
    store.delete(fid)
    store.delete(fid)
    with pytest.raises(MediaNotFound):
        store.open(fid)


def test_deleting_removes_what_a_writer_that_died_left(store: MediaStore, tmp_path: Path) -> None:
    writer = store.create(fid := new_media_id(), INFO)
    writer.write(b"half")
    store.delete(fid)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    writer.abort()


def test_a_writer_whose_file_was_deleted_cannot_commit_it(store: MediaStore) -> None:
    writer = store.create(fid := new_media_id(), INFO)
    writer.write(b"half")
    store.delete(fid)
    with pytest.raises(StoreUnavailable):
        writer.commit()
    with pytest.raises(MediaNotFound):
        store.open(fid)


def test_deleting_from_a_store_that_never_held_anything_is_no_error(store: MediaStore) -> None:
    store.delete(new_media_id())


@pytest.mark.parametrize(("start", "length"), [(0, 1), (0, 1000), (999, 1), (500, 2000), (1000, 10), (123, 456)])
def test_any_range_is_read_by_seeking(store: MediaStore, start: int, length: int) -> None:
    data = bytes(number % 251 for number in range(1000))
    with store.open(put(store, data)).file as file:
        assert file.seekable()
        file.seek(start)
        assert file.tell() == start
        assert file.read(length) == data[start : start + length]


def test_seeking_counts_from_the_end_too(store: MediaStore) -> None:
    with store.open(put(store, b"0123456789")).file as file:
        file.seek(-3, 2)
        assert file.read() == b"789"
        file.seek(0)
        assert file.read(2) == b"01"


def test_an_id_that_does_not_exist_is_not_found(store: MediaStore) -> None:
    put(store, b"another")
    with pytest.raises(MediaNotFound):
        store.open(new_media_id())


@pytest.mark.parametrize("fid", NOT_IDS)
def test_what_is_no_id_is_not_found_and_reaches_no_file(store: MediaStore, tmp_path: Path, fid: str) -> None:
    put(store, b"video")
    (tmp_path / "media" / "x").write_bytes(b"secret")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(MediaNotFound):
        store.open(fid)
    for refused in (lambda: store.create(fid, INFO), lambda: store.delete(fid)):
        with pytest.raises(SoundliftError):
            refused()
    assert sorted(tmp_path.rglob("*")) == before


def test_videos_and_mp3s_do_not_mix(store: MediaStore, url: str) -> None:
    fid = put(store, b"video")
    with pytest.raises(MediaNotFound):
        open_media(url, "mp3s").open(fid)


def test_writers_at_once_do_not_disturb_each_other(store: MediaStore) -> None:
    fids = [new_media_id() for _ in range(8)]
    start = threading.Barrier(len(fids))

    def write(number: int) -> None:
        start.wait()
        writer = store.create(fids[number], INFO)
        for _ in range(50):
            writer.write(bytes([number]) * 1000)
        writer.commit()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(len(fids))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [content(store, fid) for fid in fids] == [bytes([number]) * 50_000 for number in range(len(fids))]


def test_a_reader_goes_on_reading_a_file_that_is_deleted_meanwhile_or_says_that_it_cannot(store: MediaStore) -> None:
    fid = put(store, b"x" * MEGABYTE)
    with store.open(fid).file as file:
        beginning = file.read(1000)
        store.delete(fid)
        try:
            rest = file.read()
        except SoundliftError:
            return
    assert len(beginning) + len(rest) == MEGABYTE


@pytest.mark.parametrize(
    "use",
    [
        lambda store: store.create(new_media_id(), INFO),
        lambda store: store.open(new_media_id()),
        lambda store: store.delete(new_media_id()),
        lambda store: store.check(),
    ],
    ids=["create", "open", "delete", "check"],
)
def test_a_store_that_is_away_says_so_in_one_sentence_without_its_address(
    away: MediaStore, tmp_path: Path, use: Callable[[MediaStore], object]
) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        use(away)
    assert str(tmp_path) not in caught.value.detail


def test_a_store_that_answers_passes_its_check(store: MediaStore) -> None:
    store.check()


def test_64_megabytes_stream_through_in_flat_memory(store: MediaStore) -> None:
    chunk = bytes(256 * 1024)
    tracemalloc.start()
    try:
        writer = store.create(fid := new_media_id(), INFO)
        for _ in range(64 * MEGABYTE // len(chunk)):
            writer.write(chunk)
        assert writer.commit() == 64 * MEGABYTE
        with store.open(fid).file as file:
            read = sum(len(block) for block in iter(lambda: file.read(len(chunk)), b""))
        assert read == 64 * MEGABYTE
        assert tracemalloc.get_traced_memory()[1] < 4 * MEGABYTE
    finally:
        tracemalloc.stop()
