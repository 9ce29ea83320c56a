"""An MP3 has the tags that music players show, wherever the source stores them, and no private ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from mutagen.id3 import Encoding
from mutagen.mp3 import MP3

from soundlift.common.jobs.model import State
from tests.convert.conftest import Convert, SaveMp3
from tests.factories.clips import PICTURE, SINE, ffmpeg, talking_mp4

pytestmark = pytest.mark.media  # together, its tests take seconds of a fast loop

SHOWN = {"title": "Título 🎵", "artist": "Jürgen", "album": "音"}
PRIVATE = {
    "creation_time": "2020-02-03T04:05:06Z",
    "com.apple.quicktime.model": "Telephone 12",
    "com.apple.quicktime.location.ISO6709": "+48.8500+002.3500/",
    "com.apple.quicktime.location.accuracy.horizontal": "4.75",
    "DATE_DIGITIZED": "2020-02-03",
}


def _metadata_args(tags: dict[str, str]) -> tuple[str, ...]:
    return tuple(part for name, value in tags.items() for part in ("-metadata", f"{name}={value}"))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("a.mov", ("-c:v", "mpeg4", "-c:a", "aac", "-movflags", "use_metadata_tags")),
        ("a.mkv", ("-c:v", "mpeg4", "-c:a", "aac")),
        ("a.ogv", ("-c:v", "libtheora", "-c:a", "libvorbis")),
    ],
)
def test_only_tags_that_players_show_are_copied(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, name: str, arguments: tuple[str, ...]
) -> None:
    file = ffmpeg(tmp_path / name, *SINE, *PICTURE, *arguments, *_metadata_args(SHOWN | PRIVATE))
    tags = MP3(save_mp3(convert_file(file))).tags
    assert tags is not None
    assert [str(tags[frame]) for frame in ("TIT2", "TPE1", "TALB")] == list(SHOWN.values())
    assert set(tags) == {"TIT2", "TPE1", "TALB", "TSSE"}


def test_the_tags_of_an_ogg_stream_are_copied(convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path) -> None:
    file = ffmpeg(tmp_path / "a.ogg", *SINE, "-c:a", "libvorbis", *_metadata_args(SHOWN))
    tags = MP3(save_mp3(convert_file(file))).tags
    assert tags is not None
    assert [str(tags[frame]) for frame in ("TIT2", "TPE1", "TALB")] == list(SHOWN.values())


@pytest.mark.parametrize(
    "title",
    ["The End of File", "partial file", "no decoder found for love", "No space left on device", "a\nEnd of file"],
)
def test_a_title_that_reads_like_an_error_message_is_harmless(
    convert_file: Convert, tmp_path: Path, title: str
) -> None:
    job = convert_file(talking_mp4(tmp_path, "-metadata", f"title={title}"))
    assert (job.state, job.error) == (State.READY, None)


def test_thousands_of_unknown_tags_are_dropped(convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path) -> None:
    many = {f"TAG{number}": "x" * 20 for number in range(3000)}
    tags = MP3(save_mp3(convert_file(talking_mp4(tmp_path, *_metadata_args(many), name="a.mkv")))).tags
    assert tags is not None
    assert set(tags) == {"TSSE"}


@pytest.mark.parametrize("name", ["a.m4a", "a.flac", "a.ogg", "a.mp3", "a.mka", "a.wma"])
def test_date_and_track_number_are_kept(convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, name: str) -> None:
    file = ffmpeg(tmp_path / name, *SINE, *_metadata_args(SHOWN | {"date": "2020-02-03", "track": "3/7"}))
    tags = MP3(save_mp3(convert_file(file))).tags
    assert tags is not None
    assert [str(tags[frame]) for frame in ("TIT2", "TPE1", "TALB", "TDRC", "TRCK")] == [
        *SHOWN.values(), "2020-02-03", "3/7",
    ]  # fmt: skip


def test_tags_are_id3_of_version_2_4_in_utf_8_and_name_the_encoder(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path
) -> None:
    tags = MP3(
        save_mp3(convert_file(talking_mp4(tmp_path, *_metadata_args(SHOWN), "-metadata:s:a:0", "language=jpn")))
    ).tags
    assert tags is not None
    assert tags.version == (2, 4, 0)
    texts = [tags[name] for name in ("TIT2", "TPE1", "TALB", "TLAN", "TSSE")]
    assert {frame.encoding for frame in texts} == {Encoding.UTF8}
    assert all(frame.text[0] for frame in texts)


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
def test_the_language_of_the_track_is_kept(convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, name: str) -> None:
    tags = MP3(save_mp3(convert_file(talking_mp4(tmp_path, "-metadata:s:a:0", "language=jpn", name=name)))).tags
    assert tags is not None
    assert tags["TLAN"].text == ["jpn"]


def test_the_language_is_that_of_the_converted_track(convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path) -> None:
    tracks = (
        "-map",
        "0",
        "-map",
        "0",
        "-ac:a:1",
        "2",
        "-metadata:s:a:0",
        "language=jpn",
        "-metadata:s:a:1",
        "language=kor",
    )
    mp3 = MP3(save_mp3(convert_file(ffmpeg(tmp_path / "a.mkv", *SINE, *tracks, "-c:a", "aac", "-disposition:a", "0"))))
    assert mp3.info.channels == 2
    assert mp3.tags["TLAN"].text == ["kor"]


@pytest.mark.parametrize("language", [(), ("-metadata:s:a:0", "language=und")])
def test_a_track_without_a_known_language_has_no_language_tag(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, language: tuple[str, ...]
) -> None:
    tags = MP3(save_mp3(convert_file(talking_mp4(tmp_path, *language)))).tags
    assert tags is not None
    assert "TLAN" not in tags
