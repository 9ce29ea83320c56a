"""Files in S3 that are written by several requests: an adapter of the port in resumable.py.

Each is one multipart upload, whose parts have the same size, as some stores require. The row has our own list of parts,
since a listing may lag behind. The bytes that do not fill a part yet, the tail, are an object of their own, which is
deleted only after the row names its successor. No two epochs use the number of a part, so that none can replace what
another has stored: each number is claimed in the row before its part is sent.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

import structlog

from soundlift.common.errors import MediaNotFound, StoreUnavailable
from soundlift.common.media import MediaInfo
from soundlift.common.media.resumable import Checkpoint, SaveState
from soundlift.common.media.s3.remains import TAIL, remove_remains
from soundlift.common.media.s3.server import has_status, store_errors
from soundlift.common.media.s3.writer import PART_SIZE, metadata_headers

MAX_NUMBER = 10_000
USUAL_PARTS = 9000  # the other numbers are for parts that were claimed and never stored
CLAIMED_AT_ONCE = 4
MAX_PART_SIZE = 64 * 2**20  # held in memory; the length may be unknown, and its limit be none
TAIL_SECONDS = 10.0  # a slow client fills a part in a minute; each tail is sent anew
LOST = "The media store has lost the beginning of this file."

Key = Mapping[str, str]

log = structlog.get_logger()


@dataclass(frozen=True)
class State:
    """What the row says: `parts` are pairs of number and ETag, `next` is the first number that nobody has claimed."""

    upload: str
    size: int
    parts: tuple[tuple[int, str], ...] = ()
    next: int = 1
    tail: str = ""

    @classmethod
    def read(cls, text: str) -> State:
        """Return the state of a text; raises MediaNotFound for that of another store, whose file is not here."""
        values = json.loads(text)
        try:
            return cls(**{**values, "parts": tuple((number, etag) for number, etag in values["parts"])})
        except (KeyError, TypeError):
            raise MediaNotFound(LOST) from None

    @property
    def text(self) -> str:
        """Return the text for the row."""
        return json.dumps(asdict(self), separators=(",", ":"))


class S3Resumption:
    """The resumable files of a folder of a bucket; `key_of` returns the bucket and the key of a file."""

    def __init__(self, client: Any, key_of: Callable[[str], dict[str, str]]) -> None:
        self._client = client
        self._key_of = key_of

    def begin(self, fid: str, info: MediaInfo, *, expected_bytes: int) -> str:
        """Begin a multipart upload; if it is repeated, `delete` aborts the other ones."""
        size = min(max(PART_SIZE, math.ceil(expected_bytes / USUAL_PARTS)), MAX_PART_SIZE)
        with store_errors():
            upload = self._client.create_multipart_upload(**self._key_of(fid), **metadata_headers(info))
        return State(upload["UploadId"], size).text

    def resume(self, fid: str, state: str, *, offset: int, epoch: int, save: SaveState) -> S3Resumer:
        """Read the tail; the parts are in their places."""
        key, known = self._key_of(fid), State.read(state)
        tail_bytes = offset - len(known.parts) * known.size
        tail = _read(self._client, _tail_key(key, known.tail)) if tail_bytes else b""
        if len(tail) < tail_bytes:
            raise MediaNotFound(LOST, fid=fid)
        return S3Resumer(self._client, key, known, epoch, save, tail[:tail_bytes])

    def finish(self, fid: str, state: str, info: MediaInfo, *, size: int) -> None:
        """Complete the multipart upload, unless this has been done, and remove what killed writers have left.

        The file is complete then, whether or not they can be removed: `delete` removes them in any case.
        """
        key, known = self._key_of(fid), State.read(state)
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in known.parts]
        try:
            with store_errors():
                self._client.complete_multipart_upload(**key, UploadId=known.upload, MultipartUpload={"Parts": parts})
        except StoreUnavailable as error:
            if self._size(key) != size:
                if has_status(error, 404):
                    raise MediaNotFound(LOST, fid=fid) from None
                raise
        try:
            remove_remains(self._client, key)
        except StoreUnavailable as error:  # perhaps for good, as without the permission to list; the job must not wait
            log.warning("remains of an upload stay until its file is deleted", fid=fid, **error.evidence)

    def _size(self, key: Key) -> int | None:
        try:
            with store_errors():
                return int(self._client.head_object(**key)["ContentLength"])
        except StoreUnavailable as error:
            if has_status(error, 404):
                return None
            raise


class S3Resumer:
    """A writer that continues after a number of whole parts and a tail."""

    checkpoint_seconds = TAIL_SECONDS

    def __init__(  # noqa: PLR0913, PLR0917 - the place where the file continues
        self, client: Any, key: dict[str, str], state: State, epoch: int, save: SaveState, tail: bytes
    ) -> None:
        self.checkpoint_bytes = state.size
        self._client = client
        self._key = key
        self._committed = self._state = state
        self._epoch = epoch
        self._save = save
        self._part = bytearray(tail)
        self._number = state.next
        self._tails = 0

    def write(self, data: bytes, /) -> None:
        """Add bytes; each part that they fill is sent."""
        self._part += data
        while len(self._part) >= self._state.size:
            self._send_part(self._state.size)

    def checkpoint(self, *, complete: bool, last: bool = False) -> Checkpoint:
        """Send the rest as a tail, or as the last part."""
        is_longer = len(self._state.parts) > len(self._committed.parts)
        offset = len(self._state.parts) * self._state.size
        if last:
            offset += len(self._part)
            if self._part:
                self._send_part(len(self._part))
            self._state = replace(self._state, tail="")
        elif complete and self._part:
            offset += len(self._part)
            self._state = replace(self._state, tail=self._send_tail())
        elif is_longer:
            self._state = replace(self._state, tail="")
        if complete:
            self._state = replace(self._state, next=self._number)  # the rest of what was claimed is free again
        return Checkpoint(offset, self._state.text)

    def committed(self) -> None:
        """Delete the tail that the row has ceased to name."""
        earlier, self._committed = self._committed.tail, self._state
        if earlier != self._state.tail:
            self._delete_tail(earlier)

    def close(self, *, discard: bool) -> None:
        """Delete the tail that the row does not name; parts without a name are deleted with the upload."""
        if discard and self._state.tail != self._committed.tail:
            self._delete_tail(self._state.tail)

    def _send_part(self, size: int) -> None:
        """Send the first bytes as a part, under a number that is claimed in the row."""
        if self._number >= self._state.next:
            self._claim()
        body = bytes(memoryview(self._part)[:size])
        try:
            with store_errors():
                sent = self._client.upload_part(
                    **self._key, UploadId=self._state.upload, PartNumber=self._number, Body=body
                )
        except StoreUnavailable as error:
            if has_status(error, 404):  # the upload was aborted
                raise MediaNotFound(LOST) from None
            raise
        del self._part[:size]
        self._state = replace(self._state, parts=(*self._state.parts, (self._number, sent["ETag"])))
        self._number += 1

    def _claim(self) -> None:
        """Claim a few numbers, whatever becomes of the parts that get them."""
        if self._number + CLAIMED_AT_ONCE > MAX_NUMBER:
            raise MediaNotFound("This upload was interrupted too often, or is too large; begin a new one.")
        following = self._number + CLAIMED_AT_ONCE
        self._save(replace(self._committed, next=following).text)
        self._state = replace(self._state, next=following)

    def _send_tail(self) -> str:
        self._tails += 1
        name = f"{self._epoch}-{self._tails}"
        with store_errors():
            self._client.put_object(**_tail_key(self._key, name), Body=bytes(self._part))
        return name

    def _delete_tail(self, name: str) -> None:
        if name:
            with suppress(StoreUnavailable), store_errors():
                self._client.delete_object(**_tail_key(self._key, name))


def _tail_key(key: Key, name: str) -> dict[str, str]:
    return {**key, "Key": f"{key['Key']}{TAIL}{name}"}


def _read(client: Any, key: Key) -> bytes:
    """Return an object, empty if there is none."""
    try:
        with store_errors():
            return bytes(client.get_object(**key)["Body"].read())
    except StoreUnavailable as error:
        if has_status(error, 404):
            return b""
        raise
