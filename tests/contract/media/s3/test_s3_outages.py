"""An S3 store whose server hangs or does not have the bucket."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from devservers.forwarder import Forwarder
from devservers.s3 import S3
from devservers.waiting import wait_for_success
from soundlift.common.errors import StoreUnavailable
from soundlift.common.media import MediaStore, MediaWriter, new_media_id, open_media
from soundlift.common.media.s3 import S3Store
from soundlift.common.media.s3.writer import PART_SIZE as PART
from tests.contract.media.resumed_files import Row
from tests.contract.media.s3.objects import INFO, MEGABYTE, unfinished_uploads, write_file

MAX_SECONDS = 8  # two attempts of one second and the pause between them, on a busy machine
T = TypeVar("T")


@pytest.fixture
def impatient_store(s3_server: S3, forwarder: Forwarder) -> MediaStore:
    return open_media(f"{s3_server.url(port=forwarder.port)}&timeout=1", "videos")


def patiently(step: Callable[[], T]) -> T:
    """Return what a step returns once the store answers in time, which it may not do at once on a busy machine."""
    return wait_for_success(step, StoreUnavailable, "the store answers in time")


def test_a_part_that_could_not_be_sent_is_sent_again_later(store: MediaStore, forwarder: Forwarder) -> None:
    fid = new_media_id()
    writer = store.create(fid, INFO)
    forwarder.cut()
    with pytest.raises(StoreUnavailable):
        writer.write(b"1" * (PART + 1))
    forwarder.restore()
    writer.write(b"2")
    assert writer.commit() == PART + 2
    with store.open(fid).file as file:
        assert file.read() == b"1" * (PART + 1) + b"2"


def test_a_missing_bucket_is_an_error_and_does_not_mean_missing_files(s3_server: S3) -> None:
    store = open_media(s3_server.url(bucket="no-such-bucket"), "videos")
    for step in (
        lambda: store.create(new_media_id(), INFO),
        lambda: store.open(new_media_id()),
        lambda: store.delete(new_media_id()),
    ):
        with pytest.raises(StoreUnavailable):
            step()
    with pytest.raises(StoreUnavailable, match="no-such-bucket"):
        store.check()


@pytest.mark.parametrize("step", ["create", "open", "delete", "check", "write", "commit", "read"])
def test_every_call_to_a_store_that_hangs_fails_after_the_timeout(
    store: MediaStore, impatient_store: MediaStore, forwarder: Forwarder, step: str
) -> None:
    fid = write_file(store, bytes(MEGABYTE))
    store = impatient_store
    writer, file = patiently(lambda: store.create(new_media_id(), INFO)), patiently(lambda: store.open(fid)).file
    steps: dict[str, Callable[[], object]] = {
        "create": lambda: store.create(new_media_id(), INFO),
        "open": lambda: store.open(fid),
        "delete": lambda: store.delete(fid),
        "check": store.check,
        "write": lambda: writer.write(bytes(PART + 1)),
        "commit": writer.commit,
        "read": lambda: file.read(1),
    }
    forwarder.hang()
    started_at = time.monotonic()
    with pytest.raises(StoreUnavailable):
        steps[step]()
    assert time.monotonic() - started_at < MAX_SECONDS
    forwarder.restore()
    file.close()


def test_an_abort_while_the_store_hangs_returns_after_the_timeout(
    store: MediaStore, impatient_store: MediaStore, forwarder: Forwarder, client: Any
) -> None:
    def begin() -> tuple[str, MediaWriter]:
        fid = new_media_id()
        return fid, impatient_store.create(fid, INFO)

    fid, writer = patiently(begin)
    forwarder.hang()
    started_at = time.monotonic()
    writer.abort()
    assert time.monotonic() - started_at < MAX_SECONDS
    forwarder.drop_connections()  # otherwise the delayed request would still arrive
    forwarder.restore()
    assert len(unfinished_uploads(client, fid)) == 1
    store.delete(fid)
    assert unfinished_uploads(client, fid) == []


def test_a_resumable_file_is_finished_even_if_what_its_writers_have_left_cannot_be_removed(
    store: MediaStore, forwarder: Forwarder, client: Any
) -> None:
    assert isinstance(store, S3Store)
    row = Row(store)
    store.create(row.fid, INFO)  # a writer that is killed
    row.append(b"content", last=True)
    store.client.meta.events.register("after-call.s3.CompleteMultipartUpload", lambda **_: forwarder.cut())
    row.finish()
    forwarder.restore()
    assert row.content() == b"content"
    assert len(unfinished_uploads(client, row.fid)) == 1
    forwarder.cut()
    with pytest.raises(StoreUnavailable):
        store.delete(row.fid)
    forwarder.restore()
    store.delete(row.fid)
    assert unfinished_uploads(client, row.fid) == []


def test_reading_continues_after_a_hang_where_it_stopped(
    store: MediaStore, impatient_store: MediaStore, forwarder: Forwarder
) -> None:
    content = bytes(range(256)) * 2**17
    fid = write_file(store, content)
    with patiently(lambda: impatient_store.open(fid)).file as file:
        found = patiently(lambda: file.read(MEGABYTE))
        forwarder.hang()
        with pytest.raises(StoreUnavailable):
            while block := file.read(MEGABYTE):
                found += block
        forwarder.restore()
        while len(found) < len(content):
            found += patiently(lambda: file.read(MEGABYTE))
        assert file.read(1) == b""
    assert found == content
