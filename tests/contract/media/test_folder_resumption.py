"""The folder store: a request takes over from one that is suspended in the middle of a block."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from soundlift.common.errors import MediaNotFound
from soundlift.common.media import list_files
from tests.contract.media.medium import Medium
from tests.contract.media.resumed_files import Row

LOCK_SECONDS = "soundlift.common.media.folder.resumption.LOCK_SECONDS"


@pytest.fixture
def row(folder_medium: Medium, monkeypatch: pytest.MonkeyPatch) -> Row:
    monkeypatch.setattr(LOCK_SECONDS, 0.0)
    row = Row(folder_medium.open())
    row.append(b"first ")
    return row


@contextmanager
def _suspended(tmp_path: Path) -> Iterator[None]:
    """Hold the lock of the only file, as a suspended writer does."""
    (fence,) = tmp_path.rglob("*.fence")
    with fence.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _kill_while_it_takes_over(row: Row, step: int) -> None:
    """Let a process take over the file, and kill it before it replaces the data (0) or the fence (1)."""
    if (child := os.fork()) == 0:
        replace, steps = os.replace, iter(range(2))

        def count(source: Path, target: Path) -> None:
            if next(steps) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            replace(source, target)

        os.replace = count  # type: ignore[assignment]
        row.request()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize("end", ["finished", "deleted"])
def test_what_a_killed_request_has_left_is_removed_with_the_end_of_the_file(
    row: Row, tmp_path: Path, folder_medium: Medium, step: int, end: str
) -> None:
    with _suspended(tmp_path):
        _kill_while_it_takes_over(row, step)
        row.epoch += 1
        row.append(b"second", last=True)
    assert list(tmp_path.rglob(f"*{row.fid}.fence.*"))
    if end == "finished":
        row.finish()
        assert row.content() == b"first second"
        assert [path.name for path in folder_medium.remains(row.fid)] == [row.fid]
    row.store.delete(row.fid)
    assert folder_medium.remains(row.fid) == []


def test_a_replaced_file_is_durable_before_its_writer_continues(
    row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed = []

    def fsync(file: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{file}").readlink())

    (part,) = tmp_path.rglob("*.part")
    with _suspended(tmp_path):
        monkeypatch.setattr(os, "fsync", fsync)
        row.request().writer.close(discard=False)
    assert flushed[-1] == part.parent


def test_a_request_that_takes_over_a_file_while_it_is_deleted_leaves_nothing(
    row: Row, tmp_path: Path, folder_medium: Medium, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir = Path.mkdir

    def delete_first(path: Path, *arguments: object, **options: object) -> None:
        if path.suffix == ".copies":
            row.store.delete(row.fid)
        mkdir(path, *arguments, **options)  # type: ignore[arg-type]

    with _suspended(tmp_path):
        monkeypatch.setattr(Path, "mkdir", delete_first)
        with pytest.raises(MediaNotFound):
            row.request()
    assert folder_medium.remains(row.fid) == []


def test_a_listing_has_what_killed_requests_have_left(row: Row, tmp_path: Path) -> None:
    with _suspended(tmp_path):
        _kill_while_it_takes_over(row, 0)
    for suffix in (".part", ".fence"):
        next(tmp_path.rglob(f"{row.fid}{suffix}")).unlink()
        assert {(file.fid, file.committed, file.size) for file in list_files(row.store)} == {(row.fid, False, 0)}
    row.store.delete(row.fid)
    assert list(list_files(row.store)) == []
