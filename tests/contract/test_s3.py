"""What only S3 has: addresses, parts, metadata, and a server that answers too late or not at all."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from devservers.forwarder import Forwarder
from devservers.s3 import BUCKET, S3
from devservers.waiting import wait_for
from soundlift.common.errors import SettingError, StoreUnavailable
from soundlift.common.media import MediaInfo, MediaStore, new_media_id, open_media
from soundlift.common.media.s3 import S3Store
from soundlift.common.media.s3.address import Address, read_address
from soundlift.common.media.s3.server import get_client
from soundlift.common.media.s3.stored_file import BYTES_AFTER_SEEK
from soundlift.common.media.s3.writer import PART_SIZE as PART

MEGABYTE = 2**20
FOLDER = "some/prefix/videos"
PATIENCE = 8  # seconds: two attempts of a second, and what they wait between, on a busy machine
INFO = MediaInfo(owner="ada@example.org", file_name="a.mp4", content_type="video/mp4", job_id="1" * 24)


@pytest.fixture
def forwarder(s3_server: S3) -> Iterator[Forwarder]:
    with Forwarder(s3_server.port) as forwarder:
        yield forwarder


@pytest.fixture
def store(s3_server: S3, forwarder: Forwarder) -> MediaStore:
    return open_media(f"{s3_server.url(port=forwarder.port)}&timeout=1", "videos")


@pytest.fixture
def client(s3_server: S3) -> Any:
    return get_client(read_address(s3_server.url()))


def _write(store: MediaStore, content: bytes, info: MediaInfo = INFO, fid: str | None = None) -> str:
    fid = fid or new_media_id()
    writer = store.create(fid, info)
    writer.write(content)
    writer.commit()
    return fid


def _head(client: Any, fid: str) -> Any:
    return client.head_object(Bucket=BUCKET, Key=f"{FOLDER}/{fid}")


def _unfinished(client: Any, fid: str) -> list[Any]:
    found: list[Any] = client.list_multipart_uploads(Bucket=BUCKET, Prefix=f"{FOLDER}/{fid}").get("Uploads", [])
    return found


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("s3://media", Address("media")),
        ("s3://media/", Address("media")),
        ("s3://media/a/b%20c/", Address("media", "a/b c")),
        ("s3://my.bucket-1?region=eu-west-1", Address("my.bucket-1", region="eu-west-1")),
        (
            "s3://AKIA:a%2Fb%2Bc%40d@media?endpoint=http://minio:9000&timeout=30",
            Address("media", "", "AKIA", "a/b+c@d", "http://minio:9000", None, 30),
        ),
        ("s3://media?endpoint=https%3A%2F%2Fs3.example.org", Address("media", endpoint="https://s3.example.org")),
    ],
)
def test_an_address_says_who_where_and_what(url: str, address: Address) -> None:
    assert read_address(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "s3:",
        "s3://",
        "s3:///prefix",
        "s3://ab",
        "s3://KEY:with/slash@media",
        "s3://KEY@media",
        "s3://:secret@media",
        "s3://@media:9000",
        "s3://media:9000",
        "s3://media#part",
        "s3://media?endpoint=minio:9000",
        "s3://media?endpoint=",
        "s3://media?endpoint=http://",
        "s3://media?region=a b",
        "s3://media?region=a&region=b",
        "s3://media?region=a&",
        "s3://media?timeout=0",
        "s3://media?timeout=soon",
        "s3://media?bucket=other",
        "s3://media?garbage",
    ],
)
def test_a_malformed_address_is_an_error_that_says_how_it_should_be(url: str) -> None:
    with pytest.raises(SettingError, match=r"MEDIA_URL must be s3://.*percent-encoded") as raised:
        open_media(url, "videos")
    assert raised.value.evidence == {"setting": "MEDIA_URL"}


@pytest.mark.parametrize(
    ("url", "endpoint", "region", "style", "seconds"),
    [
        (
            "s3://k:s@media?region=eu-west-1&timeout=30",
            "https://s3.eu-west-1.amazonaws.com",
            "eu-west-1",
            "auto",
            (3, 30),
        ),
        ("s3://k:s@media?endpoint=http://minio:9000&timeout=2", "http://minio:9000", "us-east-1", "path", (2, 2)),
        ("s3://k:s@media?endpoint=http://minio:9000&region=here", "http://minio:9000", "here", "path", (3, 10)),
    ],
)
def test_a_store_is_asked_where_and_as_its_address_says(
    url: str, endpoint: str, region: str, style: str, seconds: tuple[int, int]
) -> None:
    client = get_client(read_address(url))
    meta, config = client.meta, client.meta.config
    assert (meta.endpoint_url, meta.region_name, config.s3["addressing_style"]) == (endpoint, region, style)
    assert (config.connect_timeout, config.read_timeout) == seconds
    assert (config.retries["total_max_attempts"], config.retries["mode"]) == (2, "standard")
    # Not every store that speaks S3 knows the newer checksums.
    checksums = (config.request_checksum_calculation, config.response_checksum_validation)
    assert checksums == ("when_required", "when_required")
    assert config.max_pool_connections >= 64


def test_a_large_file_is_sent_in_parts_of_one_size(store: MediaStore, client: Any) -> None:
    fid = new_media_id()
    writer = store.create(fid, INFO)
    writer.write(bytes(2 * PART + MEGABYTE))
    for _ in range(7):
        writer.write(bytes(MEGABYTE))
    (upload,) = _unfinished(client, fid)
    parts = client.list_parts(Bucket=BUCKET, Key=f"{FOLDER}/{fid}", UploadId=upload["UploadId"])["Parts"]
    assert [part["Size"] for part in parts] == [PART] * 3
    assert writer.commit() == _head(client, fid)["ContentLength"] == 2 * PART + 8 * MEGABYTE


def test_an_object_says_what_it_is(store: MediaStore, client: Any) -> None:
    found = _head(client, _write(store, b"content"))
    assert found["ContentType"] == "video/mp4"
    assert found["Metadata"] == {"owner": "ada@example.org", "file-name": "a.mp4", "job": "1" * 24}


@pytest.mark.parametrize(
    "name", ["Ünïcode 🎵.mp4", "a\r\nx-amz-acl: public-read", " two  spaces ", "\udcff", "🎵" * 255, ""]
)
def test_no_file_name_is_too_odd_or_too_long_to_be_stored(store: MediaStore, client: Any, name: str) -> None:
    odd = replace(INFO, file_name=name, owner="ö" * 300)
    metadata = _head(client, _write(store, b"content", odd))["Metadata"]
    assert all(value.isascii() and value.isprintable() for value in metadata.values())
    assert sum(map(len, [*metadata, *metadata.values()])) < 2048


@pytest.mark.parametrize("kind", ["видео/mp4", "video/mp4\r\nx-amz-acl: public-read", "", " "])
def test_a_content_type_that_no_header_can_hold_is_left_out(store: MediaStore, client: Any, kind: str) -> None:
    found = _head(client, _write(store, b"content", replace(INFO, content_type=kind)))
    assert found["ContentType"] == "application/octet-stream"


def test_nothing_is_left_of_uploads_that_were_aborted_or_deleted(store: MediaStore, client: Any) -> None:
    fid = new_media_id()
    writers = [store.create(fid, INFO) for _ in range(3)]
    for writer in writers:
        writer.write(bytes(PART))
    assert len(_unfinished(client, fid)) == 3
    writers[0].abort()
    assert len(_unfinished(client, fid)) == 2
    store.delete(fid)
    assert _unfinished(client, fid) == []


def test_a_part_that_could_not_be_sent_is_in_the_file_that_is_committed_later(
    store: MediaStore, forwarder: Forwarder
) -> None:
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


def test_a_file_that_is_replaced_while_it_is_read_is_never_mixed(store: MediaStore) -> None:
    fid = _write(store, b"1" * MEGABYTE)
    with store.open(fid).file as file:
        assert file.read(10) == b"1" * 10
        _write(store, b"2" * MEGABYTE, fid=fid)
        file.seek(MEGABYTE // 2)
        with pytest.raises(StoreUnavailable):
            file.read(10)


def test_a_file_that_is_deleted_while_it_is_read_does_not_end_early(store: MediaStore) -> None:
    fid = _write(store, b"1" * MEGABYTE)
    with store.open(fid).file as file:
        assert file.read(10) == b"1" * 10
        store.delete(fid)
        file.seek(MEGABYTE // 2)
        with pytest.raises(StoreUnavailable):
            file.read(10)


def test_a_bucket_that_is_not_there_is_named_and_its_files_are_not_taken_for_missing(s3_server: S3) -> None:
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
def test_a_store_that_hangs_is_unavailable_after_its_timeout(
    store: MediaStore, forwarder: Forwarder, step: str
) -> None:
    fid = _write(store, bytes(MEGABYTE))
    writer, file = store.create(new_media_id(), INFO), store.open(fid).file
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
    begun = time.monotonic()
    with pytest.raises(StoreUnavailable):
        steps[step]()
    assert time.monotonic() - begun < PATIENCE
    forwarder.restore()
    file.close()


def test_an_abort_of_a_store_that_hangs_returns_after_the_timeout_and_what_it_leaves_can_be_deleted(
    store: MediaStore, forwarder: Forwarder, client: Any
) -> None:
    fid = new_media_id()
    writer = store.create(fid, INFO)
    forwarder.hang()
    begun = time.monotonic()
    writer.abort()
    assert time.monotonic() - begun < PATIENCE
    forwarder.drop_connections()  # or what was asked would arrive after all
    forwarder.restore()
    assert len(_unfinished(client, fid)) == 1
    store.delete(fid)
    assert _unfinished(client, fid) == []


def test_reading_goes_on_after_a_hang_where_it_stopped(store: MediaStore, forwarder: Forwarder) -> None:
    content = bytes(range(256)) * 2**17
    with store.open(_write(store, content)).file as file:
        found = file.read(MEGABYTE)
        forwarder.hang()
        with pytest.raises(StoreUnavailable):
            while block := file.read(MEGABYTE):
                found += block
        forwarder.restore()
        while block := file.read(MEGABYTE):
            found += block
    assert found == content


def test_a_file_that_is_closed_half_read_keeps_no_connection(store: MediaStore, forwarder: Forwarder) -> None:
    fid = _write(store, bytes(32 * MEGABYTE))
    files = [store.open(fid).file for _ in range(5)]
    for file in files:
        file.read(1)
    assert forwarder.connections >= len(files)
    for file in files:
        file.close()
    wait_for(lambda: forwarder.connections == 0, "all connections are closed")


def test_after_a_seek_few_bytes_are_requested_and_more_if_reading_goes_on(s3_server: S3) -> None:
    store = S3Store(replace(read_address(s3_server.url()), timeout=11), "videos")  # a client of its own
    ranges: list[str] = []
    store.client.meta.events.register(
        "provide-client-params.s3.GetObject", lambda params, **_: ranges.append(params["Range"])
    )
    content = os.urandom(4 * MEGABYTE)
    fid = _write(store, content)
    with store.open(fid).file as file:
        assert file.read(10) == content[:10]
        for start in (MEGABYTE, 0):
            file.seek(start)
            assert file.read(BYTES_AFTER_SEEK + 10) == content[start : start + BYTES_AFTER_SEEK + 10]
        assert file.read(5 * BYTES_AFTER_SEEK) == content[BYTES_AFTER_SEEK + 10 : 6 * BYTES_AFTER_SEEK + 10]
        file.seek(-1, io.SEEK_END)
        assert file.read(10) == content[-1:]
    step, fourth = BYTES_AFTER_SEEK, 4 * BYTES_AFTER_SEEK
    assert ranges == [
        f"bytes=0-{len(content) - 1}",
        f"bytes={MEGABYTE}-{MEGABYTE + step - 1}",
        f"bytes={MEGABYTE + step}-{MEGABYTE + step + fourth - 1}",
        f"bytes=0-{step - 1}",
        f"bytes={step}-{step + fourth - 1}",
        f"bytes={step + fourth}-{step + fourth + 4 * fourth - 1}",
        f"bytes={len(content) - 1}-{len(content) - 1}",
    ]
