"""An MP3 says what music players show, wherever the source says it, and nothing of its maker's life."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from mutagen.mp3 import MP3

from soundlift.common.job_row import Job, State
from tests.clips import PICTURE, SINE, ffmpeg, talking_mp4
from tests.convert.conftest import Convert

Save = Callable[[Job], Path]
SHOWN = {"title": "Título 🎵", "artist": "Jürgen", "album": "音"}
PRIVATE = {
    "creation_time": "2020-02-03T04:05:06Z",
    "com.apple.quicktime.model": "Telephone 12",
    "com.apple.quicktime.location.ISO6709": "+48.8500+002.3500/",
    "com.apple.quicktime.location.accuracy.horizontal": "4.75",
    "DATE_DIGITIZED": "2020-02-03",
}


def _tagged(tags: dict[str, str]) -> tuple[str, ...]:
    return tuple(part for name, value in tags.items() for part in ("-metadata", f"{name}={value}"))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("a.mov", ("-c:v", "mpeg4", "-c:a", "aac", "-movflags", "use_metadata_tags")),
        ("a.mkv", ("-c:v", "mpeg4", "-c:a", "aac")),
        ("a.ogv", ("-c:v", "libtheora", "-c:a", "libvorbis")),
    ],
)
def test_only_what_players_show_is_taken_over(
    converted: Convert, mp3_of: Save, tmp_path: Path, name: str, arguments: tuple[str, ...]
) -> None:
    file = ffmpeg(tmp_path / name, *SINE, *PICTURE, *arguments, *_tagged(SHOWN | PRIVATE))
    tags = MP3(mp3_of(converted(file))).tags
    assert tags is not None
    assert [str(tags[frame]) for frame in ("TIT2", "TPE1", "TALB")] == list(SHOWN.values())
    assert set(tags) == {"TIT2", "TPE1", "TALB", "TSSE"}


def test_an_ogg_s_tags_are_found_at_its_stream(converted: Convert, mp3_of: Save, tmp_path: Path) -> None:
    file = ffmpeg(tmp_path / "a.ogg", *SINE, "-c:a", "libvorbis", *_tagged(SHOWN))
    tags = MP3(mp3_of(converted(file))).tags
    assert tags is not None
    assert [str(tags[frame]) for frame in ("TIT2", "TPE1", "TALB")] == list(SHOWN.values())


@pytest.mark.parametrize(
    "title",
    ["The End of File", "partial file", "no decoder found for love", "No space left on device", "a\nEnd of file"],
)
def test_a_title_that_reads_like_an_error_is_a_title(converted: Convert, tmp_path: Path, title: str) -> None:
    job = converted(talking_mp4(tmp_path, "-metadata", f"title={title}"))
    assert (job.state, job.error) == (State.READY, None)


def test_tags_without_end_are_dropped_all_the_same(converted: Convert, mp3_of: Save, tmp_path: Path) -> None:
    many = {f"TAG{number}": "x" * 20 for number in range(3000)}
    tags = MP3(mp3_of(converted(talking_mp4(tmp_path, *_tagged(many), name="a.mkv")))).tags
    assert tags is not None
    assert set(tags) == {"TSSE"}


def test_a_cover_does_not_get_into_the_mp3(converted: Convert, mp3_of: Save, tmp_path: Path) -> None:
    picture = ffmpeg(tmp_path / "cover.png", "-f", "lavfi", "-i", "color=red:size=64x64:duration=1", "-frames:v", "1")
    file = ffmpeg(
        tmp_path / "a.mp3", *SINE, "-i", str(picture), "-map", "0", "-map", "1", "-disposition:v", "attached_pic"
    )
    assert "APIC:" in (MP3(file).tags or {})
    mp3 = MP3(mp3_of(converted(file)))
    assert not [name for name in mp3.tags or {} if name.startswith("APIC")]
    assert mp3.info.length == pytest.approx(3, abs=0.06)  # an MP3 frame at either end
