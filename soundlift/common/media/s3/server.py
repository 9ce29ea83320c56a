"""The S3 server: its client, timeouts, and errors."""

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
ATTEMPTS = 2
MOST_CONNECTIONS = 64


def client_of(address: Address) -> Any:
    """Return the client of a store in this process, which threads share; it connects when it is used."""
    return _client_of(address, os.getpid())


@cache
def _client_of(address: Address, process: int) -> Any:
    own = address.endpoint is not None
    return boto3.session.Session().client(
        "s3",
        endpoint_url=address.endpoint,
        region_name=address.region or ("us-east-1" if own else None),
        aws_access_key_id=address.access_key,
        aws_secret_access_key=address.secret_key,
        config=Config(
            connect_timeout=min(CONNECT_SECONDS, address.timeout),
            read_timeout=address.timeout,
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
            max_pool_connections=MOST_CONNECTIONS,
            # Not every server knows the newer checksums; the signature of a request covers its body anyway.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path" if own else "auto"},
        ),
    )


def says(error: StoreUnavailable, status: int) -> bool:
    """Return whether the store answered with this HTTP status."""
    answer = error.__cause__.response if isinstance(error.__cause__, ClientError) else {}
    return bool(answer.get("ResponseMetadata", {}).get("HTTPStatusCode") == status)


@contextmanager
def store_errors(detail: str = "The media store cannot be used.") -> Iterator[None]:
    """Turn the driver's errors into StoreUnavailable."""
    try:
        yield
    except (BotoCoreError, ClientError, HTTPError, OSError) as error:
        raise StoreUnavailable(detail, cause=str(error)) from error
