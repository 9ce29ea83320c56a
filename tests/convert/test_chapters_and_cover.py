"""An MP3 keeps the chapters of its source, with their times, and the cover, byte for byte."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from mutagen.flac import Picture
from mutagen.id3 import CTOCFlags, PictureType
from mutagen.mp3 import MP3

from tests.convert.conftest import Convert, SaveMp3
from tests.factories.clips import PICTURE, SINE, ffmpeg, talking_mp4

pytestmark = pytest.mark.media  # together, its tests take seconds of a fast loop

CHAPTERS = [(0, 1200, "One"), (1200, 1850, "Δύο = 2; #"), (1850, 3000, "三 🎵")]
NO_OFFSET = 0xFFFFFFFF  # ID3v2 Chapter Frame Addendum, section 3.1: the times are used instead
WITH_COVER = (
    "-map", "0", "-map", "1", "-c:v", "copy", "-disposition:v:0", "attached_pic",
    "-metadata:s:v", "comment=Cover (front)",
)  # fmt: skip


def _write_chapters(folder: Path) -> tuple[str, ...]:
    """Write the chapters in FFmpeg's metadata format, and return the arguments that read them."""
    escaped = [
        (start, end, title.replace("=", "\\=").replace(";", "\\;").replace("#", "\\#"))
        for start, end, title in CHAPTERS
    ]
    lines = [f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={start}\nEND={end}\ntitle={title}" for start, end, title in escaped]
    (folder / "chapters.txt").write_text("\n".join([";FFMETADATA1", *lines, ""]))
    return ("-i", str(folder / "chapters.txt"))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("a.mp4", (*PICTURE, "-c:v", "mpeg4", "-c:a", "aac")),
        ("a.mkv", (*PICTURE, "-c:v", "mpeg4", "-c:a", "aac")),
        ("a.m4a", ("-c:a", "aac")),
    ],
)
def test_chapters_keep_their_times_and_titles(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, name: str, arguments: tuple[str, ...]
) -> None:
    inputs = [*_write_chapters(tmp_path), *SINE]
    file = ffmpeg(tmp_path / name, *inputs, *arguments, "-map_chapters", "0")
    assert _read_chapters(save_mp3(convert_file(file))) == CHAPTERS


def test_chapters_in_the_comments_of_an_ogg_are_kept(convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path) -> None:
    comments = [
        comment
        for number, (start, _, title) in enumerate(CHAPTERS)
        for comment in (f"CHAPTER00{number}=00:00:0{start / 1000:.3f}", f"CHAPTER00{number}NAME={title}")
    ]
    tags = [part for comment in comments for part in ("-metadata:s:a:0", comment)]
    file = ffmpeg(tmp_path / "a.ogg", *SINE, "-c:a", "libvorbis", *tags)
    assert _read_chapters(save_mp3(convert_file(file))) == CHAPTERS


def test_chapters_of_an_mp3_are_kept(convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path) -> None:
    file = ffmpeg(tmp_path / "a.mp3", *_write_chapters(tmp_path), *SINE, "-map_chapters", "0")
    found = _read_chapters(save_mp3(convert_file(file)))
    assert [title for _, _, title in found] == [title for _, _, title in CHAPTERS]
    # Programs disagree on whether these times include the encoder's delay of 1105 samples.
    assert _times(found) == pytest.approx(_times(CHAPTERS), abs=26)


def _times(chapters: list[tuple[int, int, str]]) -> list[int]:
    return [time for start, end, _ in chapters for time in (start, end)]


def _read_chapters(mp3: Path) -> list[tuple[int, int, str]]:
    """Return the start and end in milliseconds and the title of each chapter, and check them against the standard."""
    tags = MP3(mp3).tags
    assert tags is not None
    chapters = sorted(tags.getall("CHAP"), key=lambda chapter: chapter.start_time)
    assert {(chapter.start_offset, chapter.end_offset) for chapter in chapters} == {(NO_OFFSET, NO_OFFSET)}
    (contents,) = tags.getall("CTOC")
    assert contents.flags == CTOCFlags.TOP_LEVEL | CTOCFlags.ORDERED
    assert contents.child_element_ids == [chapter.element_id for chapter in chapters]
    return [(chapter.start_time, chapter.end_time, str(chapter.sub_frames["TIT2"])) for chapter in chapters]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [(0, 1200, "One"), (1200, 1500, "Δύο = 2; #")]),
        ({"end": "1.2"}, [(0, 1200, "One")]),
        ({"start": "0.5"}, [(0, 700, "One"), (700, 1000, "Δύο = 2; #")]),
        ({"start": "1.2", "end": "10"}, [(0, 300, "Δύο = 2; #")]),
    ],
)
def test_the_last_chapter_ends_with_the_sound_and_later_ones_are_dropped(
    convert_file: Convert,
    save_mp3: SaveMp3,
    tmp_path: Path,
    options: dict[str, str],
    expected: list[tuple[int, int, str]],
) -> None:
    inputs = [*_write_chapters(tmp_path), *SINE]
    file = ffmpeg(tmp_path / "a.mkv", *inputs, *PICTURE, "-c:v", "mpeg4", "-c:a", "flac", "-map_chapters", "0",
                  "-af", "atrim=end=1.5")  # fmt: skip
    assert _read_chapters(save_mp3(convert_file(file, **options))) == expected


def test_a_video_without_chapters_becomes_an_mp3_without_chapters(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path
) -> None:
    tags = MP3(save_mp3(convert_file(talking_mp4(tmp_path)))).tags
    assert tags is not None
    assert not tags.getall("CHAP") + tags.getall("CTOC")


def _picture(folder: Path, kind: str) -> Path:
    return ffmpeg(folder / f"cover.{kind}", "-f", "lavfi", "-i", "color=red:size=64x64:duration=1", "-frames:v", "1")


@pytest.mark.parametrize(
    ("name", "kind"), [("a.mp3", "png"), ("a.mp3", "jpg"), ("a.m4a", "jpg"), ("a.m4a", "png"), ("a.flac", "jpg")]
)
def test_a_cover_is_kept(convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, name: str, kind: str) -> None:
    picture = _picture(tmp_path, kind)
    file = ffmpeg(tmp_path / name, *SINE, "-i", str(picture), *WITH_COVER)
    _assert_cover(save_mp3(convert_file(file)), picture)


def test_the_cover_of_a_video_is_kept_and_its_picture_is_not(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path
) -> None:
    picture = _picture(tmp_path, "jpg")
    file = ffmpeg(
        tmp_path / "a.mp4", "-i", str(talking_mp4(tmp_path)), "-i", str(picture), "-map", "0", "-map", "1",
        "-c", "copy", "-disposition:v:1", "attached_pic",
    )  # fmt: skip
    _assert_cover(save_mp3(convert_file(file)), picture)


def test_a_cover_attached_to_a_matroska_file_is_kept(convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path) -> None:
    picture = _picture(tmp_path, "png")
    attachment = ("-metadata:s:t", "mimetype=image/png", "-metadata:s:t", "filename=cover.png")
    file = talking_mp4(tmp_path, "-attach", str(picture), *attachment, name="a.mkv")
    _assert_cover(save_mp3(convert_file(file)), picture)


def test_a_cover_in_the_comments_of_an_ogg_is_kept(convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path) -> None:
    picture = _picture(tmp_path, "png")
    block = Picture()
    block.type, block.mime, block.data = PictureType.COVER_FRONT, "image/png", picture.read_bytes()
    comment = f"METADATA_BLOCK_PICTURE={base64.b64encode(block.write()).decode()}"
    file = ffmpeg(tmp_path / "a.ogg", *SINE, "-c:a", "libvorbis", "-metadata:s:a:0", comment)
    _assert_cover(save_mp3(convert_file(file)), picture)


def _assert_cover(mp3: Path, picture: Path) -> None:
    tags = MP3(mp3).tags
    assert tags is not None
    (cover,) = tags.getall("APIC")
    assert cover.type == PictureType.COVER_FRONT
    assert cover.mime == {".png": "image/png", ".jpg": "image/jpeg"}[picture.suffix]
    assert cover.data == picture.read_bytes()
    assert MP3(mp3).info.length == pytest.approx(3, abs=0.06)  # an MP3 frame at each end
