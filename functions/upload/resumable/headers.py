"""The headers of tus 1.0 (https://tus.io/protocols/resumable-upload)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import Any

from flask import Request

from soundlift.common.errors import BadRequest, ChecksumMismatch, UnsupportedMedia, UnsupportedProtocol

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,creation-defer-length,termination,expiration,checksum"
CHECKSUM_ALGORITHM = "sha1"
OFFSET_TYPE = "application/offset+octet-stream"
NUMBER = re.compile(r"[0-9]{1,18}")  # fits in a BIGINT
METADATA = re.compile(r"[ -~]*")  # it is returned in a header
METADATA_KEY = re.compile(r"[!-+\--~]{1,100}")
MAX_METADATA_BYTES = 8192
NAMES = ("filename", "name")
TYPES = ("filetype", "type")
IGNORED = ("relativePath",)  # Uppy sends it with each file


@dataclass
class Checksum:
    """The SHA-1 that a part of an upload must have, and that of what has arrived."""

    expected: bytes
    _sha1: Any = field(default_factory=lambda: hashlib.sha1(usedforsecurity=False))

    def update(self, data: bytes) -> None:
        """Add bytes."""
        self._sha1.update(data)

    def verify(self) -> None:
        """Raise ChecksumMismatch unless the bytes have the expected checksum."""
        if not hmac.compare_digest(self._sha1.digest(), self.expected):
            raise ChecksumMismatch("The bytes do not have the SHA-1 of Upload-Checksum; send this part again.")


@dataclass(frozen=True)
class Metadata:
    """What Upload-Metadata says: the name and the type of the file, and options of the upload."""

    header: str
    file_name: str
    content_type: str | None
    options: list[tuple[str, str]]


def require_version(request: Request) -> None:
    """Raise UnsupportedProtocol unless a request is of the version of tus that is supported."""
    if request.headers.get("Tus-Resumable") != VERSION:
        raise UnsupportedProtocol(f"Send the header Tus-Resumable: {VERSION}.")


def require_offset_type(request: Request) -> None:
    """Raise UnsupportedMedia unless the body is a part of a file."""
    if request.mimetype != OFFSET_TYPE:
        raise UnsupportedMedia(f"Send the bytes of the file with Content-Type: {OFFSET_TYPE}.")


def has_body(request: Request) -> bool:
    """Return whether a request has a body, if only one of unknown length."""
    return bool(request.content_length) or (request.content_length is None and "Transfer-Encoding" in request.headers)


def read_number(request: Request, name: str) -> int | None:
    """Return the number of a header, or None without it; raises BadRequest."""
    if (text := request.headers.get(name)) is None:
        return None
    if not NUMBER.fullmatch(text):
        raise BadRequest(f"{name} must be a number of bytes.")
    return int(text)


def read_offset(request: Request) -> int:
    """Return Upload-Offset; raises BadRequest."""
    if (offset := read_number(request, "Upload-Offset")) is None:
        raise BadRequest("The header Upload-Offset is missing.")
    return offset


def read_length(request: Request) -> int | None:
    """Return Upload-Length of a creation, or None if Upload-Defer-Length postpones it; raises BadRequest."""
    length, deferred = read_number(request, "Upload-Length"), request.headers.get("Upload-Defer-Length")
    if deferred not in (None, "1") or (length is None) == (deferred is None):
        raise BadRequest("Send either Upload-Length, or Upload-Defer-Length: 1.")
    if length == 0:
        raise BadRequest("The file is empty; choose another one.")
    return length


def read_checksum(request: Request) -> Checksum | None:
    """Return the checksum of a part, or None without Upload-Checksum; raises BadRequest."""
    if (text := request.headers.get("Upload-Checksum")) is None:
        return None
    algorithm, _, encoded = text.partition(" ")
    if algorithm != CHECKSUM_ALGORITHM:
        raise BadRequest(f"Upload-Checksum must be {CHECKSUM_ALGORITHM}, a space and the checksum in Base64.")
    digest = _decode_base64(encoded)
    if digest is None or len(digest) != hashlib.sha1(usedforsecurity=False).digest_size:
        raise BadRequest("Upload-Checksum has no SHA-1 in Base64.")
    return Checksum(digest)


def read_metadata(request: Request) -> Metadata:
    """Return Upload-Metadata; every key that does not describe the file is an option; raises BadRequest."""
    header = request.headers.get("Upload-Metadata", "")
    values = _metadata_values(header)
    name = next((values[key] for key in NAMES if values.get(key)), "video")
    content_type = next((values[key] for key in TYPES if values.get(key)), None)
    known = {*NAMES, *TYPES, *IGNORED}
    return Metadata(header, name, content_type, [item for item in values.items() if item[0] not in known])


def _metadata_values(header: str) -> dict[str, str]:
    if len(header) > MAX_METADATA_BYTES:
        raise BadRequest(f"Upload-Metadata may have at most {MAX_METADATA_BYTES} bytes.")
    if not METADATA.fullmatch(header):
        raise BadRequest("Upload-Metadata must be ASCII without control characters.")
    values: dict[str, str] = {}
    for pair in filter(None, map(str.strip, header.split(","))):
        key, _, encoded = pair.partition(" ")
        value = _decode_base64(encoded.strip())
        if not METADATA_KEY.fullmatch(key) or key in values or value is None:
            raise BadRequest(
                "Upload-Metadata must be pairs of a unique key and a value in Base64, separated by commas."
            )
        try:
            values[key] = value.decode()
        except UnicodeDecodeError:
            raise BadRequest("A value of Upload-Metadata is not UTF-8; encode it as UTF-8, then in Base64.") from None
    return values


def _decode_base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
