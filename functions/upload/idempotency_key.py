"""The header Idempotency-Key of an upload (draft-ietf-httpapi-idempotency-key-header-07)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from flask import Request

from soundlift.common.errors import BadIdempotencyKey
from soundlift.common.jobs.upload_keys import UploadKey

MAX_KEY_LENGTH = 255
# A String of RFC 9651, section 3.3.3. Some clients of other services send the key without quotes. Accepting that, too,
# would be a second grammar, in which a comma or a parameter could be a part of the key or not.
STRING = re.compile(rf'"([ !#-\[\]-~]|\\["\\]){{1,{MAX_KEY_LENGTH}}}"')


@dataclass(frozen=True)
class KeyedRequest:
    """A request for an upload with a key: what it says about its body before the body is read."""

    username: str
    text: str
    content_length: int | None
    digest: str | None

    @classmethod
    def of(cls, request: Request, username: str) -> KeyedRequest | None:
        """Return a request with its key, or None if it has no key; raises BadIdempotencyKey."""
        if (key := read_key(request, username)) is None:
            return None
        return cls(username, key.text, request.content_length, request.headers.get("Repr-Digest"))

    @property
    def key(self) -> UploadKey:
        """Return the key of the upload, whatever its file and options are."""
        return UploadKey(self.username, self.text)

    def key_of(self, options: Iterable[tuple[str, str]], file_name: str, content_type: str) -> UploadKey:
        """Return the key of an upload with these options of the user, and this file, with its fingerprint."""
        return self.key.of_content(sorted(options), file_name, content_type, self.content_length, self.digest)


def read_key(request: Request, username: str) -> UploadKey | None:
    """Return the key of a request without a fingerprint, or None if it has no key; raises BadIdempotencyKey."""
    header = request.headers.get("Idempotency-Key")
    if header is None:
        return None
    if not STRING.fullmatch(header):
        raise BadIdempotencyKey(
            f"Idempotency-Key must be a string of 1 to {MAX_KEY_LENGTH} ASCII characters in double quotes, for example "
            '"8e03978e-40d5-43dd-bc93-6894a57f9324" with its quotes (RFC 9651, section 3.3.3).'
        )
    return UploadKey(username, re.sub(r"\\(.)", r"\1", header[1:-1]))


def require_key(request: Request, username: str) -> UploadKey:
    """Return the key of a request that names an upload by it; raises BadIdempotencyKey."""
    if (key := read_key(request, username)) is None:
        raise BadIdempotencyKey("Name the upload by the header Idempotency-Key that it was sent with.")
    return key
