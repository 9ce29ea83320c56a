"""Every store: files that several requests write, any of which may be interrupted or suspended."""

from __future__ import annotations

import itertools
import random
from contextlib import suppress

import pytest

from soundlift.common.errors import MediaNotFound, StoreUnavailable, UploadSuperseded
from soundlift.common.media import MediaStore, list_files, new_media_id
from soundlift.common.media.gridfs.writer import CHUNK_SIZE
from soundlift.common.media.resumable import resumable_files
from soundlift.common.media.s3.writer import PART_SIZE
from tests.contract.media.medium import Medium
from tests.contract.media.resumed_files import INFO, Killed, Row

SIZES = (1, CHUNK_SIZE - 1, CHUNK_SIZE, 2 * CHUNK_SIZE + 7, PART_SIZE - 1, PART_SIZE, 2 * PART_SIZE + 1)


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def test_a_file_has_the_bytes_of_all_requests_in_their_order(store: MediaStore) -> None:
    row, pieces = Row(store), [noise(size, seed) for seed, size in enumerate(SIZES)]
    for piece in pieces:
        row.append(piece)
    row.append(b"", last=True)
    row.finish()
    row.finish()
    assert row.content() == b"".join(pieces)


@pytest.mark.parametrize("size", [1, CHUNK_SIZE, PART_SIZE, PART_SIZE + 1])
def test_one_request_can_write_a_whole_file(store: MediaStore, medium: Medium, size: int) -> None:
    row = Row(store)
    row.append(noise(size), last=True)
    row.finish()
    assert row.content() == noise(size)
    store.delete(row.fid)
    assert medium.remains(row.fid) == []


def test_bytes_that_no_checkpoint_names_are_replaced_by_those_of_the_next_request(store: MediaStore) -> None:
    row = Row(store)
    row.append(noise(100))
    lost = row.request()
    lost.writer.write(noise(PART_SIZE + CHUNK_SIZE + 5, seed=1))
    lost.writer.checkpoint(complete=True)  # its process dies before the commit
    row.append(noise(PART_SIZE - 3, seed=2), last=True)
    row.finish()
    assert row.content() == noise(100) + noise(PART_SIZE - 3, seed=2)


@pytest.mark.parametrize("wakes_up", ["before the next request writes", "afterwards", "after the end"])
def test_a_suspended_writer_changes_nothing_whenever_it_wakes_up(
    store: MediaStore, medium: Medium, wakes_up: str
) -> None:
    row, first, then = Row(store), noise(CHUNK_SIZE + 10), noise(2 * PART_SIZE + 9, seed=1)
    row.append(first)
    suspended = row.request()
    suspended.write(noise(CHUNK_SIZE + 3, seed=2))
    successor = row.request()
    if wakes_up == "before the next request writes":
        suspended.wake_up(noise(3 * PART_SIZE, seed=3))
    successor.write(then[:PART_SIZE])
    successor.commit()
    if wakes_up == "afterwards":
        suspended.wake_up(noise(3 * PART_SIZE, seed=3))
    successor.write(then[PART_SIZE:])
    successor.commit(last=True)
    successor.writer.close(discard=False)
    row.finish()
    if wakes_up == "after the end":
        suspended.wake_up(noise(3 * PART_SIZE, seed=3))
    assert row.content() == first + then
    store.delete(row.fid)
    assert medium.remains(row.fid) == []


def test_a_request_that_is_late_cannot_even_begin_to_write(store: MediaStore) -> None:
    row = Row(store)
    row.begin()
    row.epoch = 2
    row.append(noise(PART_SIZE))
    assert row.state is not None

    def save(state: str) -> None:
        raise UploadSuperseded

    with pytest.raises(UploadSuperseded):
        late = resumable_files(store).resume(row.fid, row.state, offset=0, epoch=1, save=save)
        late.write(noise(PART_SIZE + 1, seed=1))
        late.checkpoint(complete=True)
        save("")  # what the caller does next
    row.append(noise(5, seed=2), last=True)
    row.finish()
    assert row.content() == noise(PART_SIZE) + noise(5, seed=2)


@pytest.mark.parametrize("size", [3, PART_SIZE + 3])
def test_a_deleted_file_is_gone_with_all_that_was_written_for_it(store: MediaStore, medium: Medium, size: int) -> None:
    row = Row(store)
    row.append(noise(size))
    request = row.request()
    request.write(noise(CHUNK_SIZE + 1, seed=1))
    listed = {file.fid: file for file in list_files(store)}
    assert not listed[row.fid].committed
    store.delete(row.fid)
    row.epoch += 1
    assert medium.remains(row.fid) == []
    request.wake_up(noise(CHUNK_SIZE, seed=2))
    with pytest.raises((MediaNotFound, StoreUnavailable)):  # moto answers 500 in place of S3's 404
        row.finish()
    assert medium.remains(row.fid) == []


def test_a_file_of_which_the_store_has_lost_bytes_is_not_continued(store: MediaStore) -> None:
    fid = new_media_id()
    state = resumable_files(store).begin(fid, INFO, expected_bytes=2**30)

    def continue_it() -> None:
        writer = resumable_files(store).resume(fid, state, offset=100, epoch=1, save=lambda text: None)
        writer.write(noise(PART_SIZE))
        writer.checkpoint(complete=True)

    with pytest.raises(MediaNotFound):
        continue_it()


@pytest.mark.parametrize("state", ["{}", '{"tail":-2}', '{"upload":"1","size":50,"parts":[],"next":1,"tail":""}'])
def test_a_file_that_another_store_has_begun_is_not_continued(store: MediaStore, state: str) -> None:
    with pytest.raises(MediaNotFound):
        resumable_files(store).resume(new_media_id(), state, offset=100, epoch=1, save=lambda text: None)


@pytest.mark.parametrize("state", ["{}", '{"tail":-2}'])
def test_a_file_that_another_store_has_received_is_lost(store: MediaStore, state: str) -> None:
    with pytest.raises(MediaNotFound):
        resumable_files(store).finish(new_media_id(), state, INFO, size=100)


def test_a_kill_at_any_step_of_the_store_loses_no_byte_that_the_row_names(store: MediaStore, medium: Medium) -> None:
    unit = PART_SIZE if medium.url.startswith("s3") else CHUNK_SIZE
    pieces = [noise(size, seed) for seed, size in enumerate((10, CHUNK_SIZE + 1, unit + 20, 30))]
    whole = b"".join(pieces)

    def kill() -> None:
        raise Killed

    for number in itertools.count():
        row = Row(store)
        with medium.before_step(number, kill) as has_killed:
            with suppress(Killed):
                _send(row, pieces)
            is_last = not has_killed()
        _send(row, pieces)
        assert row.content() == whole, number
        store.delete(row.fid)
        assert medium.remains(row.fid) == [], number
        if is_last:
            break
    assert number > 8


def _send(row: Row, pieces: list[bytes]) -> None:
    """Continue a file as a client does, each piece by one request, and finish it."""
    whole, ends = b"".join(pieces), list(itertools.accumulate(map(len, pieces)))
    for end in ends:
        if row.offset < end:
            row.append(whole[row.offset : end], last=end == len(whole))
    row.finish()
