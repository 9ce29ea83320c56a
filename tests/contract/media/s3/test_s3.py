"""The S3 store: parts, metadata, and requests of ranges."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from typing import Any

import pytest

from devservers.forwarder import Forwarder
from devservers.s3 import BUCKET, S3
from devservers.waiting import wait_for
from soundlift.common.errors import StoreUnavailable
from soundlift.common.media import MediaStore, new_media_id
from soundlift.common.media.s3 import S3Store
from soundlift.common.media.s3.address import read_address
from soundlift.common.media.s3.stored_file import BYTES_AFTER_SEEK
from soundlift.common.media.s3.writer import PART_SIZE as PART
from tests.contract.media.s3.objects import FOLDER, INFO, MEGABYTE, unfinished_uploads, write_file


def _head(client: Any, fid: str) -> Any:
    return client.head_object(Bucket=BUCKET, Key=f"{FOLDER}/{fid}")


def test_a_large_file_is_sent_in_parts_of_equal_size(store: MediaStore, client: Any) -> None:
    fid = new_media_id()
    writer = store.create(fid, INFO)
    writer.write(bytes(2 * PART + MEGABYTE))
    for _ in range(7):
        writer.write(bytes(MEGABYTE))
    (upload,) = unfinished_uploads(client, fid)
    parts = client.list_parts(Bucket=BUCKET, Key=f"{FOLDER}/{fid}", UploadId=upload["UploadId"])["Parts"]
    assert [part["Size"] for part in parts] == [PART] * 3
    assert writer.commit() == _head(client, fid)["ContentLength"] == 2 * PART + 8 * MEGABYTE


def test_an_object_has_a_content_type_and_metadata(store: MediaStore, client: Any) -> None:
    found = _head(client, write_file(store, b"content"))
    assert found["ContentType"] == "video/mp4"
    assert found["Metadata"] == {"owner": "ada@example.org", "file-name": "a.mp4", "job": "1" * 24}


@pytest.mark.parametrize(
    "name", ["Ünïcode 🎵.mp4", "a\r\nx-amz-acl: public-read", " two  spaces ", "\udcff", "🎵" * 255, ""]
)
def test_any_file_name_can_be_stored(store: MediaStore, client: Any, name: str) -> None:
    info = replace(INFO, file_name=name, owner="ö" * 300)
    metadata = _head(client, write_file(store, b"content", info))["Metadata"]
    assert all(value.isascii() and value.isprintable() for value in metadata.values())
    assert sum(map(len, [*metadata, *metadata.values()])) < 2048


@pytest.mark.parametrize("kind", ["видео/mp4", "video/mp4\r\nx-amz-acl: public-read", "", " "])
def test_a_content_type_that_is_invalid_in_a_header_is_left_out(store: MediaStore, client: Any, kind: str) -> None:
    found = _head(client, write_file(store, b"content", replace(INFO, content_type=kind)))
    assert found["ContentType"] == "application/octet-stream"


def test_aborted_and_deleted_uploads_leave_no_trace(store: MediaStore, client: Any) -> None:
    fid = new_media_id()
    writers = [store.create(fid, INFO) for _ in range(3)]
    for writer in writers:
        writer.write(bytes(PART))
    assert len(unfinished_uploads(client, fid)) == 3
    writers[0].abort()
    assert len(unfinished_uploads(client, fid)) == 2
    store.delete(fid)
    assert unfinished_uploads(client, fid) == []


def test_a_file_replaced_during_a_read_is_an_error_and_never_mixed(store: MediaStore) -> None:
    fid = write_file(store, b"1" * MEGABYTE)
    with store.open(fid).file as file:
        assert file.read(10) == b"1" * 10
        write_file(store, b"2" * MEGABYTE, fid=fid)
        file.seek(MEGABYTE // 2)
        with pytest.raises(StoreUnavailable):
            file.read(10)


def test_a_file_deleted_during_a_read_is_an_error_and_does_not_end_early(store: MediaStore) -> None:
    fid = write_file(store, b"1" * MEGABYTE)
    with store.open(fid).file as file:
        assert file.read(10) == b"1" * 10
        store.delete(fid)
        file.seek(MEGABYTE // 2)
        with pytest.raises(StoreUnavailable):
            file.read(10)


def test_closing_a_partly_read_file_closes_its_connection(store: MediaStore, forwarder: Forwarder) -> None:
    fid = write_file(store, bytes(32 * MEGABYTE))
    files = [store.open(fid).file for _ in range(5)]
    for file in files:
        file.read(1)
    assert forwarder.connections >= len(files)
    for file in files:
        file.close()
    wait_for(lambda: forwarder.connections == 0, "all connections are closed")


def test_few_bytes_are_requested_after_a_seek_and_more_as_reading_continues(s3_server: S3) -> None:
    store = S3Store(replace(read_address(s3_server.url()), timeout=11), "videos")  # not cached, so it gets a new client
    ranges: list[str] = []
    store.client.meta.events.register(
        "provide-client-params.s3.GetObject", lambda params, **_: ranges.append(params["Range"])
    )
    content = os.urandom(4 * MEGABYTE)
    fid = write_file(store, content)
    with store.open(fid).file as file:
        assert file.read(10) == content[:10]
        for start in (MEGABYTE, 0):
            file.seek(start)
            assert file.read(BYTES_AFTER_SEEK + 10) == content[start : start + BYTES_AFTER_SEEK + 10]
        assert file.read(5 * BYTES_AFTER_SEEK) == content[BYTES_AFTER_SEEK + 10 : 6 * BYTES_AFTER_SEEK + 10]
        file.seek(-1, io.SEEK_END)
        assert file.read(10) == content[-1:]
    first, second = BYTES_AFTER_SEEK, 4 * BYTES_AFTER_SEEK
    assert ranges == [
        f"bytes=0-{len(content) - 1}",
        f"bytes={MEGABYTE}-{MEGABYTE + first - 1}",
        f"bytes={MEGABYTE + first}-{MEGABYTE + first + second - 1}",
        f"bytes=0-{first - 1}",
        f"bytes={first}-{first + second - 1}",
        f"bytes={first + second}-{first + second + 4 * second - 1}",
        f"bytes={len(content) - 1}-{len(content) - 1}",
    ]
