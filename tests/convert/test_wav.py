"""A WAV has tags that other software reads, and correct sizes, also above 4 GiB."""

from __future__ import annotations

import re
import subprocess
from io import BytesIO
from pathlib import Path

import pytest
from mutagen.wave import WAVE
from pymediainfo import MediaInfo

from functions.convert.formats.output_format import Sound, Tags
from functions.convert.formats.riff import CHUNK, DS64, NotWav, WavHeader
from functions.convert.formats.wav import WAV
from functions.convert.probe.metadata import Chapter, Metadata, metadata_args, read_metadata
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.process.ffmpeg import binary
from tests.convert.conftest import Convert, SaveMp3
from tests.factories.clips import PICTURE, SINE, ffmpeg

TEXTS = {
    "title": "Título 🎵", "artist": "Jürgen", "album": "音", "album_artist": "All", "composer": "Clara",
    "genre": "Talk", "date": "2020-02-03", "track": "3/7", "disc": "1/2", "comment": "Edited",
}  # fmt: skip
CHAPTERS = [Chapter(0.0, 0.4, "One"), Chapter(0.4, 1.0, "三 🎵")]
TAGS = Tags(TEXTS, "deu", CHAPTERS)
RATE = 44100
GIB = 2**30
DURATION = re.compile(r"Duration: (\S+),")


def _wav(folder: Path, bits: int = 16, channels: int = 1) -> Path:
    """Make a WAV as a conversion does, without tags, of a second and one sample."""
    sound = Sound(RATE, channels, bits)
    arguments = [*WAV.encoder_args(AudioOptions(), sound), *WAV.container_args()]
    return ffmpeg(folder / "a.wav", *SINE, "-af", f"atrim=end_sample={RATE + 1}", "-ac", str(channels), *arguments)


def _read(file: Path) -> Metadata:
    """Return the tags and chapters that FFmpeg reads."""
    subprocess.run([binary(), "-v", "error", "-i", str(file), *metadata_args(file.parent)], check=True)
    return read_metadata(file.parent)


def _length(file: Path) -> str:
    """Return the duration that FFmpeg reads from the header."""
    command = [binary(), "-hide_banner", "-i", str(file)]
    report = subprocess.run(command, check=False, capture_output=True, text=True).stderr
    found = DURATION.search(report)
    assert found, report
    return found[1]


@pytest.mark.parametrize("bits", [8, 24])
def test_ffmpeg_and_mediainfo_read_every_tag(tmp_path: Path, bits: int) -> None:
    """With 8 or 24 bits, the odd number of bytes is followed by a byte of padding."""
    file = _wav(tmp_path, bits)
    cover = ffmpeg(tmp_path / "cover.png", *PICTURE, "-frames:v", "1").read_bytes()
    WAV.write_tags(file, Tags(TEXTS, "deu", CHAPTERS, cover))

    found = _read(file)
    assert {name: found.tags[name] for name in TEXTS} == TEXTS
    assert list(found.chapters) == CHAPTERS
    assert ffmpeg(tmp_path / "read.png", "-i", str(file), "-map", "0:v", "-c", "copy").read_bytes() == cover
    general = MediaInfo.parse(file).general_tracks[0]
    assert (general.track_name, general.performer, general.album) == (TEXTS["title"], TEXTS["artist"], TEXTS["album"])
    assert (general.album_performer, general.composer, general.recorded_date) == ("All", "Clara", "2020-02-03")
    assert (general.comment, general.cover) == ("Edited", "Yes")
    assert MediaInfo.parse(file).audio_tracks[0].samples_count == str(RATE + 1)
    id3 = WAVE(file).tags
    assert id3 is not None
    assert [frame.sub_frames["TIT2"].text[0] for frame in id3.getall("CHAP")] == ["One", "三 🎵"]


def test_the_info_list_has_the_tags_that_it_can_hold(tmp_path: Path) -> None:
    file = _wav(tmp_path)
    WAV.write_tags(file, TAGS)
    content = file.read_bytes()
    start = content.index(b"LIST")
    end = start + 8 + int.from_bytes(content[start + 4 : start + 8], "little")
    found, at = {}, start + 12
    while at < end:
        name, size = CHUNK.unpack_from(content, at)
        found[name.decode()] = content[at + 8 : at + 8 + size].decode()
        at += 8 + size + size % 2
    assert at == end
    assert found == {
        "INAM": "Título 🎵\0", "IART": "Jürgen\0", "IPRD": "音\0", "IGNR": "Talk\0", "ICRD": "2020-02-03\0",
        "ITRK": "3/7\0", "ICMT": "Edited\0", "ILNG": "deu\0", "ISFT": "Soundlift, with FFmpeg\0",
    }  # fmt: skip
    assert content[end : end + 4] == b"id3 "


def test_a_chapter_after_50_days_fits_into_its_tag(tmp_path: Path) -> None:
    file, days = _wav(tmp_path), 60 * 86400.0  # of sound at a few Hz
    WAV.write_tags(file, Tags({}, chapters=[Chapter(0, days, "a"), Chapter(days, 2 * days, "b")]))
    chapters = WAVE(file).tags.getall("CHAP")
    assert [(one.start_time, one.end_time) for one in chapters] == [(0, 2**32 - 1), (2**32 - 1, 2**32 - 1)]


def test_the_header_states_the_size_of_the_whole_file(tmp_path: Path) -> None:
    file = _wav(tmp_path, bits=24)
    before = file.read_bytes()
    WAV.write_tags(file, TAGS)
    content = file.read_bytes()
    assert content[:4] == b"RIFF"
    assert int.from_bytes(content[4:8], "little") == len(content) - 8
    assert content[8 : len(before)] == before[8:]
    assert WAV.read_length(file) == pytest.approx(1 + 1 / RATE)


@pytest.mark.parametrize("size", [4 * GIB - 60, 4 * GIB + 2, 9 * GIB])
def test_a_file_above_4_gib_is_an_rf64(tmp_path: Path, size: int) -> None:
    """The samples are a hole in the file. In the first case, only the tags take it above the limit."""
    file = _wav(tmp_path, channels=2)
    with file.open("r+b") as wav:
        header = WavHeader.read(wav)
        data = size - header.size
        wav.truncate(size)
        wav.seek(0)
        wav.write(WavHeader(header.chunks, header.size, data).for_file(size))
    seconds = data / 4 / RATE
    assert WAV.read_length(file) == pytest.approx(seconds, abs=0.001)
    WAV.write_tags(file, TAGS)

    with file.open("rb") as wav:
        assert wav.read(16) == b"RF64\xff\xff\xff\xffWAVEds64"
        assert DS64.unpack(wav.read(4 + DS64.size)[4:]) == (file.stat().st_size - 8, data, data // 4, 0)
    assert WAV.read_length(file) == pytest.approx(seconds, abs=0.001)
    assert _length(file) == f"{seconds // 3600:02.0f}:{seconds // 60 % 60:02.0f}:{seconds % 60:05.2f}"
    assert _read(file).tags["composer"] == "Clara"
    info = MediaInfo.parse(file)
    assert (info.general_tracks[0].track_name, info.audio_tracks[0].samples_count) == (TEXTS["title"], str(data // 4))


@pytest.mark.parametrize("length", [0, 11, 12, 40, 79])
def test_an_incomplete_header_is_not_accepted(tmp_path: Path, length: int) -> None:
    with pytest.raises(NotWav):
        WavHeader.read(BytesIO(_wav(tmp_path).read_bytes()[:length]))


@pytest.mark.parametrize(
    ("old", "new"), [(b"RIFF", b"RIFX"), (b"WAVE", b"AVI "), (b"JUNK", b"junk"), (b"fmt ", b"xxxx")]
)
def test_another_kind_of_file_is_not_accepted(tmp_path: Path, old: bytes, new: bytes) -> None:
    with pytest.raises(NotWav):
        WavHeader.read(BytesIO(_wav(tmp_path).read_bytes().replace(old, new, 1)))


def test_the_stored_wav_has_the_tags_of_the_video(convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path) -> None:
    video = ffmpeg(tmp_path / "a.mkv", *SINE, "-c:a", "pcm_s16le", "-metadata", "title=Wave")
    for copy in ("auto", "never"):
        job = convert_file(video, format="wav", copy=copy, tag_artist="Jürgen")
        file = save_mp3(job)
        tags = _read(file).tags
        assert (tags["title"], tags["artist"]) == ("Wave", "Jürgen")
        assert job.mp3_bytes == file.stat().st_size == int.from_bytes(file.read_bytes()[4:8], "little") + 8
