"""The port of files that are written by several requests, any of which may be interrupted.

The caller keeps one row for each file: the number of bytes that are stored for certain, the epoch of the request that
may write, and the `state` of the store, a text that only the store understands. The store keeps nothing of its own by
which it would find its way, so whatever is in it beyond what the row says is a remainder, which is overwritten.

Each request that writes, and each that asks for the offset, raises the epoch. A writer of an earlier epoch may still
be at work, however long it was suspended, and must never damage what a later one writes:

- `save` and the caller's own commit of a checkpoint raise UploadSuperseded, since the row has another epoch;
- what it writes to the store before that has no effect on the bytes up to the row's offset, nor on the finished file.

No writer waits for another one to end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from soundlift.common.media import MediaInfo, MediaStore


@dataclass(frozen=True)
class Checkpoint:
    """The values for the row: `offset` bytes are stored for certain, by the account of `state`."""

    offset: int
    state: str


SaveState = Callable[[str], None]
"""Saves a state with the offset unchanged; raises UploadSuperseded or DatabaseUnavailable."""


class ResumableWriter(Protocol):
    """A writer of one request, which continues a file at its offset."""

    checkpoint_bytes: int
    """The number of new bytes after which a checkpoint is worth its cost."""
    checkpoint_seconds: float
    """The time after which new bytes, however few, are worth one with all of them."""

    def write(self, data: bytes, /) -> None:
        """Add bytes; raises StoreUnavailable, UploadSuperseded or DatabaseUnavailable."""
        ...

    def checkpoint(self, *, complete: bool, last: bool = False) -> Checkpoint:
        """Make bytes durable and return how far; the caller commits it to the row before it writes again.

        If `complete`, these are all bytes that were written; otherwise, as many as the store can keep as they are.
        `last` means that the file ends here. Raises StoreUnavailable, UploadSuperseded or DatabaseUnavailable.
        """
        ...

    def committed(self) -> None:
        """Remove what the row has ceased to name by the latest checkpoint; never raises."""
        ...

    def close(self, *, discard: bool) -> None:
        """End; never raises.

        If `discard`, whatever no committed checkpoint names is of no use, and is removed as far as the store can be
        reached. Without it, the row may name more than is known here, since the response to a commit was lost.
        """
        ...


class ResumableFiles(Protocol):
    """The files of a store that are written by several requests; the adapters pass the same contract tests."""

    def begin(self, fid: str, info: MediaInfo, *, expected_bytes: int) -> str:
        """Return the state of a new file of at most this size; may be repeated; raises StoreUnavailable."""
        ...

    def resume(self, fid: str, state: str, *, offset: int, epoch: int, save: SaveState) -> ResumableWriter:
        """Return a writer that continues at the offset of the row.

        Raises UploadSuperseded, StoreUnavailable, or MediaNotFound if the store has lost the file.
        """
        ...

    def finish(self, fid: str, state: str, info: MediaInfo, *, size: int) -> None:
        """Make a file of which all bytes are stored readable; may be repeated, also concurrently.

        Raises StoreUnavailable, or MediaNotFound if the file was deleted.
        """
        ...


@runtime_checkable
class ResumableStore(Protocol):
    """A media store that has resumable files; its `delete` removes those that are not finished, with all remains."""

    def resumable(self) -> ResumableFiles:
        """Return the resumable files of this store."""
        ...


def resumable_files(store: MediaStore) -> ResumableFiles:
    """Return the resumable files of a store; every adapter has them."""
    if not isinstance(store, ResumableStore):
        raise TypeError(f"{type(store).__name__} has no resumable files")
    return store.resumable()
