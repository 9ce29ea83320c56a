"""The URL of an S3 store, and the client that it configures."""

from __future__ import annotations

from typing import Any

import pytest

from devservers.s3 import S3
from soundlift.common.errors import SettingError
from soundlift.common.media import open_media
from soundlift.common.media.s3.address import Address, read_address
from soundlift.common.media.s3.server import get_client


@pytest.fixture
def client(s3_server: S3) -> Any:
    return get_client(read_address(s3_server.url()))


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
def test_a_url_is_parsed_into_keys_server_and_bucket(url: str, address: Address) -> None:
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
def test_a_malformed_url_is_an_error_that_shows_the_expected_form(url: str) -> None:
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
def test_the_client_uses_the_endpoint_region_and_timeout_of_the_url(
    url: str, endpoint: str, region: str, style: str, seconds: tuple[int, int]
) -> None:
    client = get_client(read_address(url))
    meta, config = client.meta, client.meta.config
    assert (meta.endpoint_url, meta.region_name, config.s3["addressing_style"]) == (endpoint, region, style)
    assert (config.connect_timeout, config.read_timeout) == seconds
    assert (config.retries["total_max_attempts"], config.retries["mode"]) == (2, "standard")
    # Not every S3-compatible server supports the newer checksums.
    checksums = (config.request_checksum_calculation, config.response_checksum_validation)
    assert checksums == ("when_required", "when_required")
    assert config.max_pool_connections >= 64
