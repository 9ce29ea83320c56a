"""An M4A has the exact sound of the video, plays while it is downloaded, and has the tags that players show."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from mutagen.mp4 import MP4
from pymediainfo import MediaInfo

from functions.convert.formats.m4a import M4A
from functions.convert.formats.output_format import Sound
from functions.convert.probe.metadata import Chapter, Metadata, metadata_args, read_metadata
from soundlift.common.jobs.model import State
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.process.ffmpeg import binary
from soundlift.common.services import Services
from tests.convert.conftest import Convert, SaveMp3
from tests.convert.pcm import assert_same_sound, decode_file, hiss, write_sound
from tests.factories.clips import PICTURE, SINE, ffmpeg

pytestmark = pytest.mark.media  # together, its tests take seconds of a fast loop

TEXTS = {
    "title": "Título 🎵", "artist": "Jürgen", "album": "音", "album_artist": "All", "composer": "Clara",
    "genre": "Talk", "date": "2020-02-03", "track": "3/7", "disc": "1/2",
}  # fmt: skip
CHAPTERS = [Chapter(0.0, 1.2, "One"), Chapter(1.2, 1.85, "Δύο"), Chapter(1.85, 3.0, "三 🎵")]
LATE_CHAPTERS = CHAPTERS[1:]
COVER = ("-map", "0:a", "-map", "1", "-c:v", "copy", "-disposition:v:0", "attached_pic")


def _chapters_file(folder: Path, chapters: list[Chapter]) -> str:
    lines = [
        f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={one.start * 1000:.0f}\nEND={one.end * 1000:.0f}\ntitle={one.title}"
        for one in chapters
    ]
    (folder / "chapters.txt").write_text("\n".join([";FFMETADATA1", *lines, ""]))
    return str(folder / "chapters.txt")


def _picture(folder: Path, suffix: str) -> Path:
    return ffmpeg(folder / f"cover{suffix}", *PICTURE, "-frames:v", "1")


def _texts_args(texts: dict[str, str]) -> list[str]:
    return [part for name, text in texts.items() for part in ("-metadata", f"{name}={text}")]


def _read(file: Path) -> Metadata:
    """Return the tags and chapters that FFmpeg reads."""
    command = [binary(), "-v", "error", "-i", str(file), *metadata_args(file.parent)]
    subprocess.run(command, check=True, capture_output=True)
    return read_metadata(file.parent)


def _boxes(file: Path) -> list[bytes]:
    """Return the types of the boxes in a file."""
    content, found, at = file.read_bytes(), list[bytes](), 0
    while at < len(content):
        found.append(content[at + 4 : at + 8])
        at += int.from_bytes(content[at : at + 4])
    return found


def _shown_chapters(chapters: list[Chapter]) -> dict[str, str]:
    """Return chapters as MediaInfo shows them, by their times."""
    return {f"00_00_{round(chapter.start * 1000):05}": chapter.title for chapter in chapters}


def test_every_tag_is_kept_for_ffmpeg_and_mediainfo(convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path) -> None:
    cover = _picture(tmp_path, ".jpg")
    inputs = [*SINE, "-i", str(cover), "-i", _chapters_file(tmp_path, CHAPTERS), "-map_chapters", "2"]
    language = ("-metadata:s:a:0", "language=jpn")
    video = ffmpeg(tmp_path / "a.m4a", *inputs, *COVER, "-c:a", "alac", *language, *_texts_args(TEXTS))

    file = save_mp3(convert_file(video, format="m4a", tag_comment="Edited"))
    found = _read(file)
    assert {name: found.tags[name] for name in TEXTS} == TEXTS
    assert found.tags["comment"] == "Edited"
    assert [(round(one.start, 3), round(one.end, 3), one.title) for one in found.chapters] == [
        (one.start, one.end, one.title) for one in CHAPTERS
    ]
    assert MP4(file).tags["covr"] == [cover.read_bytes()]

    general, audio, *menus = MediaInfo.parse(file).tracks
    assert [general.track_name, general.performer, general.album, general.album_performer, general.composer] == [
        TEXTS[name] for name in ("title", "artist", "album", "album_artist", "composer")
    ]
    assert [general.genre, general.recorded_date, general.comment] == [TEXTS["genre"], TEXTS["date"], "Edited"]
    numbers = (general.track_name_position, general.track_name_total, general.part_position, general.part_total)
    assert numbers == ("3", "7", "1", "2")
    assert (general.format_profile, general.cover) == ("Apple audio with iTunes info", "Yes")
    assert (audio.format, audio.language) == ("AAC", "ja")
    shown = [{name: text for name, text in menu.to_data().items() if name.startswith("00_")} for menu in menus]
    assert shown == [_shown_chapters(CHAPTERS)] * 2  # in QuickTime's way, and in Nero's


def test_chapters_that_begin_later_keep_their_times(convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path) -> None:
    chapters = ["-i", _chapters_file(tmp_path, LATE_CHAPTERS), "-map_chapters", "1"]
    file = save_mp3(convert_file(ffmpeg(tmp_path / "a.mka", *SINE, *chapters, "-c:a", "flac"), format="m4a"))
    assert [(one.start, one.title) for one in _read(file).chapters] == [
        (0, ""), *((one.start, one.title) for one in LATE_CHAPTERS),
    ]  # fmt: skip
    _, _, *menus = MediaInfo.parse(file).tracks
    assert all(_shown_chapters(LATE_CHAPTERS).items() <= menu.to_data().items() for menu in menus)


def test_tags_are_replaced_removed_and_left_out_on_request(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path
) -> None:
    inputs = [*SINE, "-i", str(_picture(tmp_path, ".png"))]
    video = ffmpeg(tmp_path / "a.flac", *inputs, *COVER, *_texts_args(TEXTS))
    tags = MP4(save_mp3(convert_file(video, format="m4a", tag_title="New", tag_artist=""))).tags
    assert (tags["\xa9nam"], tags.get("\xa9ART"), tags["\xa9alb"]) == (["New"], None, [TEXTS["album"]])
    stripped = MP4(save_mp3(convert_file(video, format="m4a", tags="strip", cover="drop", tag_track="4"))).tags
    assert {name: stripped[name] for name in stripped if name != "\xa9too"} == {"trkn": [(4, 0)]}


def test_an_unusual_number_and_a_gif_are_left_out(convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path) -> None:
    inputs = [*SINE, "-i", str(_picture(tmp_path, ".gif"))]
    unusual = {"title": "", "track": "A1", "disc": "70000"}
    video = ffmpeg(tmp_path / "a.mp3", *inputs, *COVER, *_texts_args(unusual))
    assert set(MP4(save_mp3(convert_file(video, format="m4a"))).tags) == {"\xa9too"}


@pytest.mark.parametrize(("rate", "count"), [(44100, 44101), (48000, 1023), (8000, 5117)])
def test_the_sound_is_exact_and_plays_while_it_is_downloaded(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, rate: int, count: int
) -> None:
    samples = hiss(count / rate, rate, 2)
    job = convert_file(write_sound(tmp_path / "a.wav", samples, rate), format="m4a")
    file = save_mp3(job)
    assert_same_sound(decode_file(file).samples, samples)
    assert job.length == pytest.approx(count / rate)
    assert job.mp3_bytes == file.stat().st_size
    assert _boxes(file) == [b"ftyp", b"moov", b"mdat"]


def test_an_m4a_above_the_size_limit_is_refused(convert_file: Convert, services: Services, tmp_path: Path) -> None:
    services.settings = replace(services.settings, max_audio_bytes=20_000)
    job = convert_file(ffmpeg(tmp_path / "a.wav", *SINE), format="m4a")
    assert (job.state, job.error_code) == (State.FAILED, "too_large")


@pytest.mark.parametrize(
    ("requested", "rate", "channels", "expected"),
    [
        (None, 48000, 2, 160),
        (None, 48000, 1, 96),
        (320, 44100, 2, 320),
        (320, 44100, 1, 264),
        (64, 8000, 1, 48),
        (None, 8000, 2, 96),
    ],
)
def test_the_bit_rate_is_limited_to_what_a_frame_can_hold(
    requested: int | None, rate: int, channels: int, expected: int
) -> None:
    assert M4A.bitrate(AudioOptions(format="m4a", bitrate=requested), Sound(rate, channels)) == expected


def test_a_start_after_the_end_leaves_nothing(convert_file: Convert, tmp_path: Path) -> None:
    job = convert_file(ffmpeg(tmp_path / "a.wav", *SINE), format="m4a", start="100")
    assert (job.state, job.error_code) == (State.FAILED, "nothing_left")


def test_channels_without_positions_get_them(convert_file: Convert, tmp_path: Path) -> None:
    job = convert_file(ffmpeg(tmp_path / "a.mkv", *SINE, "-c:a", "tta"), format="m4a")
    assert (job.state, job.error) == (State.READY, None)
