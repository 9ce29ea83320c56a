"""GridFS: what the end of a resumable upload removes, and what it costs."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.collection import Collection
from pymongo.database import Database

from soundlift.common.media import MediaStore
from tests.contract.media.gridfs.documents import CHUNK, document_counts
from tests.contract.media.resumed_files import Row


def test_the_end_of_a_file_removes_tails_and_the_chunks_beyond_it(
    store: MediaStore, database: Database[dict[str, Any]]
) -> None:
    row = Row(store, expected_bytes=10 * CHUNK)
    killed = row.request()
    killed.writer.write(bytes(4 * CHUNK + 1))
    killed.writer.checkpoint(complete=True)  # its process dies before the commit
    row.append(bytes(CHUNK + 1), last=True)
    assert document_counts(database) == [0, 4, 1, 1]
    row.finish()
    assert document_counts(database) == [1, 2, 0, 0]


def test_nothing_is_sought_among_the_chunks_at_the_end_of_a_file_of_the_expected_size(
    store: MediaStore, database: Database[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    row, collections = Row(store, expected_bytes=CHUNK + 1), list[str]()
    row.append(bytes(CHUNK + 1), last=True)
    delete_many = Collection.delete_many

    def record(self: Collection[Any], *arguments: Any, **options: Any) -> Any:
        collections.append(self.name)
        return delete_many(self, *arguments, **options)

    monkeypatch.setattr(Collection, "delete_many", record)
    row.finish()
    assert collections == ["fs.tails"]
    assert document_counts(database) == [1, 2, 0, 0]
