"""GridFS: what the end of a resumable upload removes, and what it costs."""

from __future__ import annotations

import time
from typing import Any

import pytest
from pymongo.collection import Collection
from pymongo.database import Database

from soundlift.common.media import MediaStore, list_files
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


def test_a_tail_that_is_stored_after_its_file_was_deleted_is_listed_until_it_is_deleted(store: MediaStore) -> None:
    row = Row(store)
    late = row.request()
    late.write(b"late")
    store.delete(row.fid)
    late.writer.checkpoint(complete=True)  # its process dies before the commit
    (listed,) = list_files(store)
    assert (listed.fid, listed.committed, listed.size) == (row.fid, False, 0)
    assert abs(listed.modified_at - time.time()) < 60
    store.delete(row.fid)
    assert list(list_files(store)) == []
