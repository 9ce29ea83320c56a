"""Commits and deletes of any media store that are interrupted or overlap."""

from __future__ import annotations

import itertools
import os
from contextlib import suppress

import pytest

from soundlift.common.errors import MediaNotFound, StoreUnavailable
from soundlift.common.media import MediaWriter, new_media_id
from tests.contract.media.medium import Medium
from tests.contract.media.stored_files import CHUNK, INFO, read_file


class Killed(BaseException):
    """The death of a process in the middle of its work."""


def _die() -> None:
    raise Killed


@pytest.mark.parametrize("work", ["commit", "delete"])
def test_a_killed_commit_or_delete_leaves_a_complete_file_or_none(medium: Medium, work: str) -> None:
    store, content = medium.open(), os.urandom(2 * CHUNK + 5)
    for number in itertools.count():
        fid = new_media_id()
        writer = store.create(fid, INFO)
        writer.write(content)
        if work == "delete":
            writer.commit()
        with medium.before_step(number, _die) as was_killed, suppress(Killed):
            writer.commit() if work == "commit" else store.delete(fid)
        if not was_killed():
            break
        with suppress(MediaNotFound):
            assert read_file(store, fid) == content
        store.delete(fid)
        assert medium.remains(fid) == []
    assert number > 1


@pytest.mark.parametrize("work", ["commit", "delete"])
def test_a_delete_at_any_moment_of_a_commit_leaves_no_trace(medium: Medium, work: str) -> None:
    store = medium.open()
    for number in itertools.count():
        fid = new_media_id()
        writer = store.create(fid, INFO)
        writer.write(bytes(2 * CHUNK + 5))

        def commit(writer: MediaWriter = writer) -> None:
            with suppress(StoreUnavailable):
                writer.commit()

        def delete(fid: str = fid) -> None:
            store.delete(fid)

        outer, inner = (commit, delete) if work == "commit" else (delete, commit)
        with medium.before_step(number, inner) as was_called:
            outer()
        writer.abort()
        if not was_called():
            break
        assert medium.remains(fid) == []
    assert number > 1
