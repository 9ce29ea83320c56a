"""Media stores that are unreachable, hang, or lose connections."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from soundlift.common.errors import MediaNotFound, StoreUnavailable
from soundlift.common.media import new_media_id
from tests.contract.media.medium import Medium
from tests.contract.media.stored_files import BEYOND_ALL_BUFFERS, CHUNK, INFO, read_file, write_file, write_past_buffers

MAX_STEP_SECONDS = 45


def test_every_call_to_an_unreachable_store_fails_until_it_is_reachable(medium: Medium) -> None:
    store = medium.open_with_short_timeout()
    fid = write_file(store, b"content")
    partial = store.create(new_media_id(), INFO)
    partial.write(b"half")
    medium.cut_off()
    for step in (
        lambda: store.create(new_media_id(), INFO),
        lambda: store.open(fid),
        lambda: store.delete(fid),
        store.check,
        partial.commit,
    ):
        with pytest.raises(StoreUnavailable):
            step()
    partial.abort()
    medium.restore()
    store.check()
    assert read_file(store, fid) == b"content"


def test_every_call_to_a_store_that_hangs_fails_in_bounded_time(medium: Medium) -> None:
    store = medium.open_with_short_timeout()
    fid = write_file(store, bytes(BEYOND_ALL_BUFFERS))
    unwritten, partial = (store.create(new_media_id(), INFO) for _ in range(2))
    partial.write(b"half")
    with store.open(fid).file as file, ThreadPoolExecutor(8) as pool:
        medium.hang()
        steps = (
            lambda: store.create(new_media_id(), INFO),
            lambda: store.open(fid),
            lambda: store.delete(new_media_id()),
            store.check,
            partial.commit,
            lambda: write_past_buffers(unwritten),
            file.read,
        )
        errors = [step.exception(MAX_STEP_SECONDS) for step in [pool.submit(step) for step in steps]]
        medium.restore()
        partial.abort()
        unwritten.abort()
    # Files of an unreachable folder that are already open can still be written and read.
    may_succeed = 2 if medium.hang == medium.cut_off else 0
    assert {type(error) for error in errors[: len(errors) - may_succeed]} == {StoreUnavailable}
    store.check()
    assert read_file(store, fid) == bytes(BEYOND_ALL_BUFFERS)


def test_a_write_that_is_interrupted_by_an_outage_stores_no_file(medium: Medium) -> None:
    store, fid = medium.open_with_short_timeout(), new_media_id()
    writer = store.create(fid, INFO)
    writer.write(bytes(BEYOND_ALL_BUFFERS))
    medium.cut_off()
    with pytest.raises(StoreUnavailable):
        write_past_buffers(writer)
    writer.abort()
    medium.restore()
    with pytest.raises(MediaNotFound):
        store.open(fid)
    store.delete(fid)
    assert read_file(store, write_file(store, b"whole", fid=fid)) == b"whole"


def test_an_outage_between_two_reads_never_looks_like_the_end_of_the_file(medium: Medium) -> None:
    store, content = medium.open_with_short_timeout(), os.urandom(BEYOND_ALL_BUFFERS)
    fid, received = write_file(store, content), b""
    with store.open(fid).file as file:
        received += file.read(CHUNK)
        medium.cut_off()
        try:
            while block := file.read(CHUNK):
                received += block
        except StoreUnavailable:
            medium.restore()
            while block := file.read(CHUNK):
                received += block
        else:
            medium.restore()
    assert received == content
    assert read_file(store, fid) == content


def test_a_connection_lost_between_two_reads_loses_no_bytes(medium: Medium) -> None:
    store, content = medium.open_with_short_timeout(), os.urandom(BEYOND_ALL_BUFFERS)
    fid = write_file(store, content)
    with store.open(fid).file as file:
        received = file.read(CHUNK)
        while block := file.read(CHUNK):
            medium.break_connections()
            received += block
    assert received == content


def test_connections_lost_during_a_write_leave_a_complete_file_or_none(medium: Medium) -> None:
    store, fid = medium.open_with_short_timeout(), new_media_id()
    content = os.urandom(BEYOND_ALL_BUFFERS)
    try:
        writer = store.create(fid, INFO)
        for start in range(0, len(content), CHUNK):
            writer.write(content[start : start + CHUNK])
            medium.break_connections()
        writer.commit()
    except StoreUnavailable:
        store.delete(fid)
        write_file(store, content, fid=fid)
    assert read_file(store, fid) == content
