"""The files of a deployment move from one kind of store to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from soundlift.cli.main import soundlift
from soundlift.cli.migration.media import MediaCopy
from soundlift.common.errors import StoreUnavailable
from soundlift.common.jobs.model import State
from soundlift.common.media import MediaInfo, MediaStore, MediaWriter, list_files, open_media
from soundlift.common.services import Services
from tests.factories.jobs import job_now, queued_job
from tests.operations.conftest import VIDEO, Open
from tests.operations.contents import empty_store, files_of, settings_file


@pytest.mark.servers
def test_the_files_move_between_all_stores_in_both_directions_while_the_functions_run(
    source: Services, open_deployment: Open, tmp_path: Path
) -> None:
    folder, back = source.settings.media_url, (tmp_path / "back").as_uri()
    gridfs, s3 = (open_deployment("sqlite", kind).settings.media_url for kind in ("gridfs", "s3"))
    contents = files_of(source)
    for old, new in ((folder, gridfs), (gridfs, s3), (s3, gridfs), (gridfs, back)):
        empty_store(new)
        assert "The target is complete.\n" in _copy_media(source, tmp_path, old, new)
        assert files_of(source, new) == contents
    job = queued_job(source, VIDEO)  # while the functions still use the first store
    assert "videos: 1 file copied (700 kB), 7 already there" in _copy_media(source, tmp_path, folder, back)
    assert files_of(source, back) == files_of(source)
    assert job_now(source, job.id).state == State.QUEUED


def _copy_media(source: Services, folder: Path, old: str, new: str) -> str:
    """Run the command in this process, and return its output."""
    file = settings_file(folder, MEDIA_URL=new)
    environment = {
        "SOUNDLIFT_DATA": str(source.settings.soundlift_data),
        "DATABASE_URL": source.settings.database_url,
        "MEDIA_URL": old,
    }
    result = CliRunner().invoke(soundlift, ["migrate-data", "--media-only", "--to", str(file)], env=environment)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_copy_that_differs_is_deleted_and_reported(source: Services, tmp_path: Path) -> None:
    target = open_media((tmp_path / "damaging").as_uri(), "videos")
    copy = MediaCopy("videos", source.videos, DamagingStore(target), source.database)
    with pytest.raises(StoreUnavailable, match="differs"):
        list(copy.run())
    assert list(list_files(target)) == []


class DamagingStore:
    """A store that changes the first byte of every chunk."""

    def __init__(self, store: MediaStore) -> None:
        self._store = store

    def create(self, fid: str, info: MediaInfo) -> MediaWriter:
        writer = self._store.create(fid, info)

        class Writer:
            commit = writer.commit
            abort = writer.abort

            def write(self, data: bytes, /) -> int:
                return writer.write(bytes([data[0] ^ 1]) + data[1:])

        return Writer()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
