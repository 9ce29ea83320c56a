"""After an interruption, the commands that get the results save them where the conversions would have."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from soundlift.cli.batch import stop_advice
from soundlift.cli.conversion import Conversion
from soundlift.cli.inputs import Input
from soundlift.cli.outputs import Item
from soundlift.client import Job


@pytest.mark.parametrize(
    ("target", "is_original", "option"),
    [
        ("a.mp3", False, ""),
        ("b.mp3", False, " -o b.mp3"),
        ("here/a.mp3", False, " -o here/a.mp3"),
        ("new/sub/a.mp3", False, " -o new/sub/"),
        ("a", True, ""),
        ("here/a", True, " -o here/"),
        ("new/a", True, " -o new/"),
    ],
)
def test_the_command_names_a_place_that_exists_or_will_be_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, target: str, is_original: bool, option: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("here").mkdir()
    document = {"job_id": "1", "state": "queued", "error": None, "created_at": "2026-11-28T00:00:00+00:00"}
    job = Job.of({**document, "file_name": "a.mp4", "format": "original" if is_original else "mp3"})
    item = Item(Input(Path("a.mp4"), Path("a.mp4")), Path(target), suffix_follows=is_original)
    unused = cast(Any, None)
    conversion = Conversion(item, unused, unused, unused, {}, replace=False, job=job)
    assert stop_advice([conversion]).endswith(f"soundlift download 1{option}")
