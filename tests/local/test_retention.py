"""`up --keep` takes lengths of time, and `up` says what is kept, for how long, and how much room it takes."""

from __future__ import annotations

import click
import pytest

from soundlift.common.settings import Settings
from soundlift.local.retention import Duration, duration_text, storage_text


@pytest.mark.parametrize(
    ("text", "seconds", "shown"),
    [
        ("7d", 604_800, "7 days"),
        ("1w", 604_800, "7 days"),
        ("36h", 129_600, "36 hours"),
        ("24 h", 86_400, "1 day"),
        ("30m", 1_800, "30 minutes"),
        ("90s", 90, "90 seconds"),
    ],
)
def test_a_length_of_time_is_read_and_shown(text: str, seconds: int, shown: str) -> None:
    assert Duration().convert(text, None, None) == seconds
    assert duration_text(seconds) == shown


@pytest.mark.parametrize("text", ["", "7", "0d", "-1d", "7 days", "d", "1.5h", "999999999w", "7d7d"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="7d, 12h or 30m"):
        Duration().convert(text, None, None)


def test_the_size_of_the_media_folder_is_shown_only_if_it_is_on_this_machine(settings: Settings) -> None:
    media = settings.soundlift_data / "media" / "videos"
    media.mkdir(parents=True)
    with (media / "one").open("wb") as file:
        file.truncate(2_300_000_000)
    assert "kept for 7 days, at most 21.5 GB for each user: 2.3 GB now, " in storage_text(settings)
    remote = Settings.from_environment({"MEDIA_URL": "mongodb://host", "MAX_STORED_BYTES": "0"})
    assert storage_text(remote) == "Videos and their audio files are kept for 7 days."
