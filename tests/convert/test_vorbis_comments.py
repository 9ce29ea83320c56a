"""Opus, FLAC and Ogg Vorbis files have the tags, chapters and cover that players show."""

from __future__ import annotations

import base64
import io
import subprocess
from pathlib import Path

import pytest
from mutagen.flac import FLAC, Picture
from mutagen.ogg import OggPage
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis
from pymediainfo import MediaInfo

from functions.convert.formats.output_format import Tags
from functions.convert.formats.vorbis_comments import build_picture, comments
from functions.convert.probe.metadata import Chapter, Metadata, metadata_args, read_metadata
from soundlift.common.jobs.model import State
from soundlift.common.process.ffmpeg import binary
from tests.convert.conftest import Convert, SaveMp3
from tests.convert.pcm import decode_file
from tests.factories.clips import SINE, ffmpeg

TEXTS = {
    "title": "Título 🎵", "artist": "Jürgen", "album": "音", "album_artist": "All", "composer": "Clara",
    "genre": "Talk", "date": "2020-02-03", "track": "3/7", "disc": "1/2",
}  # fmt: skip
CHAPTERS = [(0, 1200, "One"), (1200, 1850, "Δύο = 2; #"), (1850, 3000, "三 🎵")]
READERS = {"opus": OggOpus, "flac": FLAC, "original": OggVorbis}  # the source is Vorbis
JPEG = b"\xff\xd8\xff"


@pytest.fixture(scope="module")
def cover(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a picture that occupies several Ogg pages."""
    noise = ("-f", "lavfi", "-i", "nullsrc=size=256x256,geq=random(1)*255:128:128", "-frames:v", "1")
    return ffmpeg(tmp_path_factory.mktemp("cover") / "cover.png", *noise)


@pytest.fixture(scope="module")
def source(cover: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with Vorbis, every tag, chapters and a cover."""
    folder = tmp_path_factory.mktemp("source")
    lines = [
        f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={start}\nEND={end}\ntitle={title}".replace("= 2; #", r"\= 2\; \#")
        for start, end, title in CHAPTERS
    ]
    (folder / "chapters.txt").write_text("\n".join([";FFMETADATA1", *lines, ""]))
    inputs = [*SINE, "-i", str(folder / "chapters.txt"), "-map_chapters", "1", "-metadata:s:a:0", "language=jpn"]
    texts = [part for name, text in TEXTS.items() for part in ("-metadata", f"{name}={text}")]
    attachment = ("-attach", str(cover), "-metadata:s:t", "mimetype=image/png", "-metadata:s:t", "filename=cover.png")
    return ffmpeg(folder / "a.mka", *inputs, "-map", "0:a", "-c:a", "libvorbis", *texts, *attachment)


def _read(file: Path) -> Metadata:
    """Return the tags and chapters that FFmpeg reads."""
    subprocess.run([binary(), "-v", "error", "-i", str(file), *metadata_args(file.parent, 0)], check=True)
    return read_metadata(file.parent)


def _pages(file: Path) -> list[OggPage]:
    """Return the pages of an Ogg file, and check their checksums."""
    content = file.read_bytes()
    stream, pages = io.BytesIO(content), list[OggPage]()
    while stream.tell() < len(content):
        begin = stream.tell()
        pages.append(OggPage(stream))
        assert pages[-1].write() == content[begin : stream.tell()]
    return pages


@pytest.mark.media
@pytest.mark.parametrize("audio_format", READERS)
def test_every_tag_is_kept_for_ffmpeg_and_mediainfo(
    convert_file: Convert, save_mp3: SaveMp3, source: Path, cover: Path, audio_format: str
) -> None:
    job = convert_file(source, format=audio_format, tag_comment="Edited")
    assert (job.state, job.error) == (State.READY, None)
    file = save_mp3(job)
    found, expected = _read(file), {**TEXTS, "track": "3", "tracktotal": "7", "disc": "1", "disctotal": "2"}
    expected |= {"comment": "Edited", "language": "jpn"}
    assert {name: found.tags.get(name) for name in expected} == expected
    assert [(one.start, one.title) for one in found.chapters] == [(start / 1000, title) for start, _, title in CHAPTERS]
    tags = READERS[audio_format](file)
    assert tags["encoder"] == ["Soundlift, with FFmpeg"]
    blocks = tags.get("metadata_block_picture", [])
    (picture,) = [Picture(base64.b64decode(block)) for block in blocks] or tags.pictures
    assert (picture.type, picture.mime, picture.data) == (3, "image/png", cover.read_bytes())

    general, audio, *menus = MediaInfo.parse(file).tracks
    assert [general.track_name, general.performer, general.album, general.album_performer, general.composer] == [
        TEXTS[name] for name in ("title", "artist", "album", "album_artist", "composer")
    ]
    assert [general.genre, general.recorded_date, general.comment] == [TEXTS["genre"], TEXTS["date"], "Edited"]
    assert (general.track_name_position, general.track_name_total, general.cover) == ("3", "7", "Yes")
    assert audio.language == "ja"
    (shown,) = ({name: text for name, text in menu.to_data().items() if name.startswith("00_")} for menu in menus)
    assert shown == {f"00_00_{start:05}": title for start, _, title in CHAPTERS}


@pytest.mark.media
@pytest.mark.parametrize("audio_format", ["opus", "original"])
def test_a_cover_of_many_pages_leaves_the_pages_of_the_sound_in_order(
    convert_file: Convert, save_mp3: SaveMp3, source: Path, audio_format: str
) -> None:
    with_cover = save_mp3(convert_file(source, format=audio_format))
    without = save_mp3(convert_file(source, format=audio_format, cover="drop"))
    assert with_cover.stat().st_size > without.stat().st_size + 65_025
    for file in (with_cover, without):
        pages = _pages(file)
        assert [page.sequence for page in pages] == list(range(len(pages)))
        assert [page.first for page in pages] == [True] + [False] * (len(pages) - 1)
        assert pages[-1].last
    assert (decode_file(with_cover).samples == decode_file(without).samples).all()


@pytest.mark.media
def test_tags_are_replaced_removed_and_left_out_on_request(
    convert_file: Convert, save_mp3: SaveMp3, source: Path
) -> None:
    tags = FLAC(save_mp3(convert_file(source, format="flac", tag_title="New", tag_artist="")))
    assert (tags["title"], tags.get("artist"), tags["album"]) == (["New"], None, [TEXTS["album"]])
    stripped = FLAC(save_mp3(convert_file(source, format="flac", tags="strip", cover="drop", tag_track="4")))
    assert dict(stripped) == {"tracknumber": ["4"], "encoder": ["Soundlift, with FFmpeg"]}
    assert not stripped.pictures


@pytest.mark.media
def test_a_flac_can_be_tagged_later_without_moving_its_sound(
    convert_file: Convert, save_mp3: SaveMp3, source: Path
) -> None:
    file = save_mp3(convert_file(source, format="flac"))
    size, tags = file.stat().st_size, FLAC(file)
    tags["title"] = "x" * 8000
    tags.save()
    assert file.stat().st_size == size


@pytest.mark.media
def test_the_totals_of_vorbis_comments_are_kept(convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path) -> None:
    numbers = {"TRACKNUMBER": "3", "TRACKTOTAL": "7", "DISCNUMBER": "1", "TOTALDISCS": "2"}
    texts = [part for name, text in numbers.items() for part in ("-metadata", f"{name}={text}")]
    tags = FLAC(save_mp3(convert_file(ffmpeg(tmp_path / "a.flac", *SINE, *texts), format="flac", copy="never")))
    assert [tags[name] for name in ("tracknumber", "tracktotal", "discnumber", "disctotal")] == [
        ["3"], ["7"], ["1"], ["2"],
    ]  # fmt: skip


def test_only_chapters_that_the_extension_can_express_are_written() -> None:
    chapters = [Chapter(number, number + 1, "") for number in range(1001)]
    names = [name for name, _ in comments(Tags(chapters=chapters))]
    assert names[-2:] == ["CHAPTER999", "CHAPTER999NAME"]
    found = dict(comments(Tags(chapters=[Chapter(359_999.9994, 359_999.9995, "end"), Chapter(360_000, 360_001, "")])))
    assert found["CHAPTER000"] == "99:59:59.999"
    assert "CHAPTER001" not in found


def test_a_cover_that_no_player_shows_or_no_block_can_hold_is_left_out() -> None:
    assert build_picture(b"II*\0") is None
    assert build_picture(JPEG + bytes(2**24)) is None
    largest = build_picture(JPEG + bytes(2**24 - 1 - 42 - len(JPEG)))
    assert largest is not None
    assert len(largest.write()) == 2**24 - 1
