"""The index of an M4A is written anew: for a given length, and for a place before the sound."""

from __future__ import annotations

import io
from array import array
from dataclasses import replace
from pathlib import Path

import pytest
from mutagen.mp4 import MP4

from functions.convert.formats.m4a import M4A
from functions.convert.formats.mp4_index import Index, Layout, NotMp4
from functions.convert.formats.mp4_movie import Movie
from functions.convert.probe.metadata import Chapter
from tests.convert.pcm import decode_file
from tests.factories.clips import ffmpeg

FRAME = 1024
SECOND = 44100
TOTAL = 45 * FRAME  # of the encoded frames, with the delay and padding
CHAPTERS = [Chapter(0.0, 0.5, "One"), Chapter(0.5, 1.0, "Two")]


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """Return a second of sound, as FFmpeg writes it."""
    sine = ("-f", "lavfi", "-i", "sine=duration=1:sample_rate=44100")
    return ffmpeg(tmp_path / "a.m4a", *sine, "-c:a", "aac", *M4A.container_args())


def _write(file: Path, head: bytes) -> Path:
    file.write_bytes(head)
    return file


@pytest.mark.parametrize("chapters", [[], CHAPTERS])
@pytest.mark.parametrize(("length", "skip"), [(SECOND, FRAME), (30_000, 3000), (1, 0), (TOTAL, 0)])
def test_any_part_of_the_frames_can_be_what_is_played(
    sound: Path, length: int, skip: int, chapters: list[Chapter]
) -> None:
    Movie.read(sound).with_frames(FRAME).with_length(TOTAL, 0).write_index(sound)
    frames = decode_file(sound).samples
    movie = Movie.read(sound).with_length(length, skip)
    movie.write_index(sound)
    assert Movie.read(sound) == replace(movie, layout=Layout.of(sound))
    assert M4A.read_length(sound) == length / SECOND
    head = movie.head(b"", "eng", chapters)
    played = _write(sound.with_name("b.m4a"), head.content + sound.read_bytes()[head.replaces : movie.layout.index])
    for file in (sound, played):
        assert (decode_file(file).samples == frames[skip : skip + length]).all()


@pytest.mark.parametrize(("length", "skip"), [(SECOND, 2000), (TOTAL + 1, 0), (1, -1), (-1, 0)])
def test_a_length_beyond_the_frames_is_refused(sound: Path, length: int, skip: int) -> None:
    with pytest.raises(NotMp4):
        Movie.read(sound).with_frames(FRAME).with_length(length, skip)


def test_offsets_beyond_4_gib_have_64_bits(sound: Path, tmp_path: Path) -> None:
    first = 2**32 - 100
    movie = replace(Movie.read(sound), offsets=array("Q", [first, first + 5000]))
    head = movie.head(b"", None, [])
    file = _write(tmp_path / "b.m4a", head.content)
    index = Index.read(file, _layout_of_head(head.content, movie.layout.ftyp))
    assert b"stco" not in index.boxes
    assert list(index.offsets()) == [each + len(head.content) - head.replaces for each in movie.offsets]


def test_a_sound_of_more_than_2_to_the_32_samples_has_its_length(sound: Path) -> None:
    movie = Movie.read(sound)
    length = 2**32 + SECOND
    long = replace(movie, times=[(2**22 + 100, FRAME)], length=length)
    assert long.head(b"", None, [Chapter(0.0, length / SECOND, "One")]).content
    head = long.head(b"", None, [])
    assert MP4(io.BytesIO(head.content)).info.length == (2**22 + 100) * FRAME / SECOND
    file = sound.with_name("b.m4a")
    file.write_bytes(head.content)
    assert Index.read(file, _layout_of_head(head.content, movie.layout.ftyp)).edit() == (length, FRAME)


def _layout_of_head(head: bytes, ftyp: bytes) -> Layout:
    """Return the layout of a file that ends with the index."""
    return Layout(ftyp, len(ftyp), len(ftyp), len(head))


@pytest.mark.parametrize("damage", [b"", b"\0" * 100, b"\0\0\0\x08moov", b"\0\0\0\x08ftyp\0\0\0\x08moov"])
def test_a_file_without_an_index_is_refused(tmp_path: Path, damage: bytes) -> None:
    with pytest.raises(NotMp4):
        Movie.read(_write(tmp_path / "a.m4a", damage))
