"""Reads an s3:// URL: where the store is, who we are there, and what is ours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from soundlift.common.errors import SettingError

HOW = (
    "Setting MEDIA_URL must be s3://ACCESS_KEY:SECRET_KEY@BUCKET/PREFIX?endpoint=URL&region=NAME&timeout=SECONDS, "
    "with keys percent-encoded (/ is %2F, + is %2B); all but the bucket may be left out."
)
FORMS = {"endpoint": r"https?://[^\s/?#@]+/?", "region": r"[\w-]+", "timeout": r"[1-9]\d{0,3}"}
TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class Address:
    """Is what a URL says; `timeout` is how many seconds the store may take for an answer, or for its next bytes."""

    bucket: str
    prefix: str = ""
    access_key: str | None = None
    secret_key: str | None = None
    endpoint: str | None = None
    region: str | None = None
    timeout: int = TIMEOUT_SECONDS


def read_address(url: str) -> Address:
    """Return what an s3:// URL says; raises SettingError.

    Without keys they come from where AWS's own tools look: its environment variables, files or the machine's role.
    """
    try:
        return _address(url)
    except ValueError:
        raise SettingError(HOW, setting="MEDIA_URL") from None


def _address(url: str) -> Address:
    parts = urlsplit(url)
    keys, at, bucket = parts.netloc.rpartition("@")
    access_key, _, secret_key = map(unquote, keys.partition(":"))
    if not re.fullmatch(r"[A-Za-z0-9._-]{3,255}", bucket) or parts.fragment:
        raise ValueError("no bucket")
    if at and not (access_key and secret_key):
        raise ValueError("half the keys")
    options = _options(parts.query)
    return Address(
        bucket=bucket,
        prefix=unquote(parts.path).strip("/"),
        access_key=access_key or None,
        secret_key=secret_key or None,
        endpoint=options.get("endpoint"),
        region=options.get("region"),
        timeout=int(options.get("timeout", TIMEOUT_SECONDS)),
    )


def _options(query: str) -> dict[str, str]:
    options = {}
    for name, values in parse_qs(query, keep_blank_values=True, strict_parsing=bool(query)).items():
        if name not in FORMS or len(values) > 1 or not re.fullmatch(FORMS[name], values[0]):
            raise ValueError("an option that is none")
        options[name] = values[0]
    return options
