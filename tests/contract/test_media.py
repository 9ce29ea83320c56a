"""What every media store does. An adapter joins by a parameter of `medium`, and a fixture in conftest.py."""

from __future__ import annotations

import io
import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest

from soundlift.common.errors import MediaNotFound, SettingError, StoreUnavailable
from soundlift.common.media import MediaInfo, MediaStore, MediaWriter, new_media_id, open_media
from soundlift.common.media.folder import FolderStore
from soundlift.common.media.gridfs import GridFsStore
from soundlift.common.media.s3 import S3Store, read_address
from tests.contract.medium import Medium

CHUNK = 255 * 1024  # GridFS's; others cut elsewhere, or not at all
BEYOND_ANY_BUFFER = 10 * 2**20
HANGING_SECONDS = 45  # of one step, at most
NO_IDS = ["", "x", "../videos", "/etc/passwd", "F" * 24, "f" * 24 + "\n", "ü" * 24]
INFO = MediaInfo(owner="ada@example.org", file_name="a.mp4", content_type="video/mp4", job_id="1" * 24)


ON_SERVERS = [pytest.param(kind, marks=pytest.mark.servers) for kind in ("gridfs", "s3")]


@pytest.fixture(params=["folder", *ON_SERVERS])
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


def _write_on(writer: MediaWriter) -> None:
    """Write more than any store keeps to itself, and commit."""
    for _ in range(BEYOND_ANY_BUFFER // CHUNK):
        writer.write(bytes(CHUNK))
    writer.commit()


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
            assert file.read(length) == content[start : start + length]
        file.seek(len(content))
        assert file.read(10) == b""


def test_ranges_meet_at_every_border_of_what_a_store_keeps_together(store: MediaStore) -> None:
    content = os.urandom(4 * CHUNK + 17)
    with store.open(_write(store, content)).file as file:
        for border in (CHUNK, 2 * CHUNK, 4 * CHUNK, 2**18, 2**20):
            for start, length in ((border - 1, 1), (border - 1, 2), (border, 1), (border - CHUNK, CHUNK)):
                file.seek(start)
                assert file.read(length) == content[start : start + length]


def test_positions_count_from_the_start_from_here_and_from_the_end(store: MediaStore) -> None:
    with store.open(_write(store, b"0123456789")).file as file:
        assert (file.seek(3), file.read(2)) == (3, b"34")
        assert (file.seek(2, os.SEEK_CUR), file.read(1)) == (7, b"7")
        assert (file.seek(-4, os.SEEK_END), file.read(1)) == (6, b"6")
        assert (file.seek(100), file.read(1)) == (100, b"")
        assert (file.seek(0), file.read(0), file.read(1)) == (0, b"", b"0")


def test_a_file_of_no_bytes_has_no_range(store: MediaStore) -> None:
    reader = store.open(_write(store, b"", b""))
    with reader.file as file:
        assert (reader.size, file.read(1), file.seek(0, os.SEEK_END)) == (0, b"", 0)


def test_a_read_yields_all_that_was_asked_for(store: MediaStore) -> None:
    content = os.urandom(3 * CHUNK + 5)
    with store.open(_write(store, content)).file as file:
        file.seek(CHUNK - 3)
        assert file.read(16) == content[CHUNK - 3 : CHUNK + 13]
        assert file.read(len(content)) == content[CHUNK + 13 :]


def test_a_read_without_a_number_yields_the_rest(store: MediaStore) -> None:
    content = os.urandom(CHUNK + 5)
    fid = _write(store, content)
    for arguments in ((), (-1,)):
        with store.open(fid).file as file:
            assert (file.read(3), file.read(*arguments), file.read(*arguments)) == (content[:3], content[3:], b"")


def test_chunks_of_any_size_become_one_file(store: MediaStore) -> None:
    content = os.urandom(3 * CHUNK + 5)
    for size in (CHUNK - 1, CHUNK, CHUNK + 1, len(content)):
        pieces = [content[start : start + size] for start in range(0, len(content), size)]
        assert _read(store, _write(store, *pieces)) == content


def test_a_file_can_be_read_into_a_buffer(store: MediaStore) -> None:
    content = os.urandom(CHUNK + 5)
    buffer = bytearray(CHUNK + 1)
    with cast(io.RawIOBase, store.open(_write(store, content)).file) as file:
        assert (file.readinto(buffer), bytes(buffer)) == (CHUNK + 1, content[: CHUNK + 1])
        assert (file.readinto(buffer), bytes(buffer[:4])) == (4, content[CHUNK + 1 :])
        assert (file.readinto(buffer), file.tell()) == (0, len(content))


def test_a_file_may_be_read_by_many_at_once(store: MediaStore) -> None:
    content = os.urandom(2**21)
    fid = _write(store, content)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: _read(store, fid) == content, range(8))) == {True}


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


def test_nothing_is_left_of_what_was_aborted(medium: Medium) -> None:
    fid = new_media_id()
    writer = medium.open().create(fid, INFO)
    writer.write(bytes(21 * CHUNK))
    assert medium.remains(fid) != []
    writer.abort()
    assert medium.remains(fid) == []


def test_a_whole_file_can_no_longer_be_aborted(store: MediaStore) -> None:
    fid = new_media_id()
    writer = store.create(fid, INFO)
    writer.write(b"content")
    writer.commit()
    writer.abort()
    assert _read(store, fid) == b"content"


def test_an_id_that_was_begun_and_left_can_be_written_again(store: MediaStore) -> None:
    fid = new_media_id()
    dead = store.create(fid, INFO)
    dead.write(b"half")
    store.delete(fid)
    assert _read(store, _write(store, b"whole", fid=fid)) == b"whole"
    dead.abort()
    assert _read(store, fid) == b"whole"


def test_an_id_that_was_begun_and_left_can_be_begun_again_without_a_delete(store: MediaStore) -> None:
    fid = new_media_id()
    dead = store.create(fid, INFO)
    dead.write(bytes(BEYOND_ANY_BUFFER))
    assert _read(store, _write(store, b"whole", fid=fid)) == b"whole"
    dead.abort()
    assert _read(store, fid) == b"whole"


def test_a_whole_file_stays_as_it_is_whoever_begins_its_id_again_and_dies(store: MediaStore) -> None:
    content = os.urandom(2 * CHUNK + 5)
    fid = _write(store, content)
    dead = [store.create(fid, INFO) for _ in range(2)]
    assert _read(store, fid) == content
    for writer in dead:
        writer.abort()
    assert _read(store, fid) == content


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


class Killed(BaseException):
    """The end of a process in the middle of its work."""


def _die() -> None:
    raise Killed


@pytest.mark.parametrize("work", ["commit", "delete"])
def test_a_file_whose_commit_or_delete_is_killed_is_whole_or_not_found_and_can_be_deleted(
    medium: Medium, work: str
) -> None:
    store, content = medium.open(), os.urandom(2 * CHUNK + 5)
    for number in itertools.count():
        fid = new_media_id()
        writer = store.create(fid, INFO)
        writer.write(content)
        if work == "delete":
            writer.commit()
        with medium.before_step(number, _die) as was_killed, suppress(Killed):
            writer.commit() if work == "commit" else store.delete(fid)
        if not was_killed():
            break
        with suppress(MediaNotFound):
            assert _read(store, fid) == content
        store.delete(fid)
        assert medium.remains(fid) == []
    assert number > 1


@pytest.mark.parametrize("work", ["commit", "delete"])
def test_nothing_is_left_of_a_file_that_is_deleted_at_any_moment_of_its_commit(medium: Medium, work: str) -> None:
    store = medium.open()
    for number in itertools.count():
        fid = new_media_id()
        writer = store.create(fid, INFO)
        writer.write(bytes(2 * CHUNK + 5))

        def commit(writer: MediaWriter = writer) -> None:
            with suppress(StoreUnavailable):
                writer.commit()

        def delete(fid: str = fid) -> None:
            store.delete(fid)

        around, between = (commit, delete) if work == "commit" else (delete, commit)
        with medium.before_step(number, between) as was_between:
            around()
        writer.abort()
        if not was_between():
            break
        assert medium.remains(fid) == []
    assert number > 1


@pytest.mark.parametrize("fid", ["f" * 24, *NO_IDS])
def test_an_id_that_does_not_exist_or_is_none_is_not_found(store: MediaStore, fid: str) -> None:
    with pytest.raises(MediaNotFound):
        store.open(fid)


@pytest.mark.parametrize("fid", NO_IDS)
def test_what_is_no_id_can_be_neither_written_nor_deleted(store: MediaStore, fid: str) -> None:
    with pytest.raises(MediaNotFound):
        store.create(fid, INFO)
    with pytest.raises(MediaNotFound):
        store.delete(fid)


def test_deleting_an_id_that_never_was_is_no_error_and_touches_no_other(store: MediaStore) -> None:
    fid = _write(store, b"content")
    store.delete(new_media_id())
    assert _read(store, fid) == b"content"


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


def test_a_store_that_hangs_is_unavailable_at_every_step_in_bounded_time(medium: Medium) -> None:
    store = medium.open()
    fid = _write(store, bytes(BEYOND_ANY_BUFFER))
    left, begun = (store.create(new_media_id(), INFO) for _ in range(2))
    begun.write(b"half")
    with store.open(fid).file as file, ThreadPoolExecutor(8) as pool:
        medium.hang()
        steps = (
            lambda: store.create(new_media_id(), INFO),
            lambda: store.open(fid),
            lambda: store.delete(new_media_id()),
            store.check,
            begun.commit,
            lambda: _write_on(left),
            file.read,
        )
        errors = [step.exception(HANGING_SECONDS) for step in [pool.submit(step) for step in steps]]
        medium.come_back()
        begun.abort()
        left.abort()
    # A folder that is away can still be written and read where it is open.
    may_work = 2 if medium.hang == medium.go_away else 0
    assert {type(error) for error in errors[: len(errors) - may_work]} == {StoreUnavailable}
    store.check()
    assert _read(store, fid) == bytes(BEYOND_ANY_BUFFER)


def test_a_store_that_goes_away_while_a_file_is_written_makes_none_of_it(medium: Medium) -> None:
    store, fid = medium.open(), new_media_id()
    writer = store.create(fid, INFO)
    writer.write(bytes(BEYOND_ANY_BUFFER))
    medium.go_away()
    with pytest.raises(StoreUnavailable):
        _write_on(writer)
    writer.abort()
    medium.come_back()
    with pytest.raises(MediaNotFound):
        store.open(fid)
    store.delete(fid)
    assert _read(store, _write(store, b"whole", fid=fid)) == b"whole"


def test_a_store_that_goes_away_between_two_reads_is_unavailable_and_never_the_end_of_the_file(medium: Medium) -> None:
    store, content = medium.open(), os.urandom(BEYOND_ANY_BUFFER)
    fid, found = _write(store, content), b""
    with store.open(fid).file as file:
        found += file.read(CHUNK)
        medium.go_away()
        try:
            while block := file.read(CHUNK):
                found += block
        except StoreUnavailable:
            medium.come_back()
            while block := file.read(CHUNK):
                found += block
        else:
            medium.come_back()
    assert found == content
    assert _read(store, fid) == content


def test_a_connection_that_dies_between_two_chunks_costs_no_byte(medium: Medium) -> None:
    store, content = medium.open(), os.urandom(BEYOND_ANY_BUFFER)
    fid = _write(store, content)
    with store.open(fid).file as file:
        found = file.read(CHUNK)
        while block := file.read(CHUNK):
            medium.break_connections()
            found += block
    assert found == content


def test_a_file_whose_connections_died_while_it_was_written_is_whole_or_none(medium: Medium) -> None:
    store, fid = medium.open(), new_media_id()
    content = os.urandom(BEYOND_ANY_BUFFER)
    try:
        writer = store.create(fid, INFO)
        for start in range(0, len(content), CHUNK):
            writer.write(content[start : start + CHUNK])
            medium.break_connections()
        writer.commit()
    except StoreUnavailable:
        store.delete(fid)
        _write(store, content, fid=fid)
    assert _read(store, fid) == content


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
small = copy(2**24, "a" * 24)
print(copy(int(sys.argv[2]), "b" * 24) - small)
store.delete("b" * 24)
"""


def test_memory_does_not_grow_with_the_file(medium: Medium) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", STREAM, medium.patient_url, str(medium.largest_file)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert int(ran.stdout) < 8 * 1024


@pytest.mark.parametrize(
    "url", ["", "media", "ftp://host/x", "file://host/media", "file://", "file:relative", "s3://[x"]
)
def test_an_address_of_no_store_is_a_clear_error(url: str) -> None:
    with pytest.raises(SettingError, match=r"^Setting MEDIA_URL") as raised:
        open_media(url, "videos")
    assert raised.value.evidence == {"setting": "MEDIA_URL"}


@pytest.mark.parametrize(
    ("url", "make"),
    [
        ("file:///media", lambda url, bucket: FolderStore(Path("/media") / bucket)),
        ("mongodb://host", GridFsStore),
        ("mongodb+srv://host.example.org", GridFsStore),
        ("s3://media/prefix?timeout=3", lambda url, bucket: S3Store(read_address(url), bucket)),
    ],
    ids=["file", "mongodb", "mongodb+srv", "bucket"],
)
@pytest.mark.parametrize("bucket", ["videos", "mp3s"])
def test_an_address_names_its_kind_of_store(url: str, make: Callable[[str, str], MediaStore], bucket: str) -> None:
    opened, meant = open_media(url, bucket), make(url, bucket)
    assert (type(opened), vars(opened)) == (type(meant), vars(meant))
