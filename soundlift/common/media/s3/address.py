"""The parsing of a store's s3:// URL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from soundlift.common.errors import SettingError

EXPECTED = (
    "Setting MEDIA_URL must be s3://ACCESS_KEY:SECRET_KEY@BUCKET/PREFIX?endpoint=URL&region=NAME&timeout=SECONDS, "
    "with keys percent-encoded (/ is %2F, + is %2B); only the bucket is required."
)
OPTION_PATTERNS = {"endpoint": r"https?://[^\s/?#@]+/?", "region": r"[\w-]+", "timeout": r"[1-9]\d{0,3}"}
TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class Address:
    """The parts of a URL; `timeout` limits, in seconds, the wait for a response and for each of its blocks."""

    bucket: str
    prefix: str = ""
    access_key: str | None = None
    secret_key: str | None = None
    endpoint: str | None = None
    region: str | None = None
    timeout: int = TIMEOUT_SECONDS


def read_address(url: str) -> Address:
    """Return the parts of an s3:// URL; raises SettingError.

    Without keys, boto3 finds them as AWS's tools do: in environment variables, files or the machine's role.
    """
    try:
        return _parse(url)
    except ValueError:
        raise SettingError(EXPECTED, setting="MEDIA_URL") from None


def _parse(url: str) -> Address:
    parts = urlsplit(url)
    keys, at, bucket = parts.netloc.rpartition("@")
    access_key, _, secret_key = map(unquote, keys.partition(":"))
    if not re.fullmatch(r"[A-Za-z0-9._-]{3,255}", bucket) or parts.fragment:
        raise ValueError("no bucket")
    if at and not (access_key and secret_key):
        raise ValueError("only one of two keys")
    options = _parse_options(parts.query)
    return Address(
        bucket=bucket,
        prefix=unquote(parts.path).strip("/"),
        access_key=access_key or None,
        secret_key=secret_key or None,
        endpoint=options.get("endpoint"),
        region=options.get("region"),
        timeout=int(options.get("timeout", TIMEOUT_SECONDS)),
    )


def _parse_options(query: str) -> dict[str, str]:
    options = {}
    for name, values in parse_qs(query, keep_blank_values=True, strict_parsing=bool(query)).items():
        if name not in OPTION_PATTERNS or len(values) > 1 or not re.fullmatch(OPTION_PATTERNS[name], values[0]):
            raise ValueError("unknown option")
        options[name] = values[0]
    return options
