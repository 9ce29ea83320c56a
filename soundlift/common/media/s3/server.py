"""The S3 client, its timeouts, and the translation of its errors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from soundlift.common.errors import StoreUnavailable
from soundlift.common.media.s3.address import Address

CONNECT_SECONDS = 3
MAX_ATTEMPTS = 2
MAX_CONNECTIONS = 64


def get_client(address: Address) -> Any:
    """Return this process's client of a store; threads share it, and it connects on first use."""
    return _get_client(address, os.getpid())


@cache
def _get_client(address: Address, process_id: int) -> Any:
    is_custom = address.endpoint is not None
    return boto3.session.Session().client(
        "s3",
        endpoint_url=address.endpoint,
        region_name=address.region or ("us-east-1" if is_custom else None),
        aws_access_key_id=address.access_key,
        aws_secret_access_key=address.secret_key,
        config=Config(
            connect_timeout=min(CONNECT_SECONDS, address.timeout),
            read_timeout=address.timeout,
            retries={"total_max_attempts": MAX_ATTEMPTS, "mode": "standard"},
            max_pool_connections=MAX_CONNECTIONS,
            signature_version="s3v4",  # boto3 still signs some URLs by version 2, which newer regions refuse
            # Not every server supports the newer checksums; the signature of a request covers its body anyway.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path" if is_custom else "auto"},
        ),
    )


def has_status(error: StoreUnavailable, status: int) -> bool:
    """Return whether the store responded with an HTTP status."""
    response = error.__cause__.response if isinstance(error.__cause__, ClientError) else {}
    return bool(response.get("ResponseMetadata", {}).get("HTTPStatusCode") == status)


@contextmanager
def store_errors(detail: str = "The media store cannot be used.") -> Iterator[None]:
    """Raise StoreUnavailable in place of the driver's errors."""
    try:
        yield
    except (BotoCoreError, ClientError, HTTPError, OSError) as error:
        raise StoreUnavailable(detail, cause=str(error)) from error
