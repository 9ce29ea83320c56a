"""The listing of the files in GridFS."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC

from bson import ObjectId

from soundlift.common.media import ListedFile
from soundlift.common.media.gridfs.writer import Collections

PAGE = 1000


def committed_files(collections: Collections) -> Iterator[ListedFile]:
    """Yield the committed files. The ids of other programs may be of any type; those are left out."""
    fields = {"length": True, "uploadDate": True, "metadata.job": True}
    for found in collections.files.find({}, fields, batch_size=PAGE):
        if isinstance(found["_id"], ObjectId):
            modified_at = found["uploadDate"].replace(tzinfo=UTC).timestamp()
            is_ours = "job" in (found.get("metadata") or {})
            yield ListedFile(str(found["_id"]), int(found["length"]), modified_at, ours=is_ours)


def unfinished_files(collections: Collections) -> Iterator[ListedFile]:
    """Yield the files that a writer has begun, then the tails, which a writer may have left after the end of its file.

    The id of a writer contains the time at which it began.
    """
    for begun in collections.begun.find({}, batch_size=PAGE):
        began_at = begun["writer"].generation_time.timestamp()
        yield ListedFile(str(begun["_id"]), 0, began_at, committed=False)
    for tail in collections.tails.find({}, {"stored_at": True}, batch_size=PAGE):
        stored_at = tail["stored_at"].replace(tzinfo=UTC).timestamp()
        yield ListedFile(tail["_id"].partition("-")[0], 0, stored_at, committed=False)
