"""The choices that a conversion makes, each tested with a short file: tracks, tags, covers and missing sound."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from mutagen.mp3 import MP3

from functions.convert import conversion
from functions.convert.output import tags as tags_module
from soundlift.common.jobs.model import State
from tests.convert.conftest import Convert, SaveMp3
from tests.factories.clips import ffmpeg

pytestmark = pytest.mark.media  # together, its tests take seconds of a fast loop

TONE = ("-f", "lavfi", "-i", "sine=duration=1:sample_rate=8000")


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    return ffmpeg(tmp_path / "a.wav", *TONE)


@pytest.mark.parametrize(
    ("options", "length"),
    [({}, 1.0), ({"start": "0.5"}, 0.5), ({"end": "0.5"}, 0.5), ({"start": "0.25", "end": "0.5"}, 0.25)],
)
def test_nothing_is_missing_from_a_part_of_a_complete_file(
    convert_file: Convert, save_mp3: SaveMp3, wav: Path, options: dict[str, str], length: float
) -> None:
    job = convert_file(wav, **options)
    assert (job.state, job.length, job.missing_seconds) == (State.READY, length, 0.0)
    assert job.mp3_bytes == save_mp3(job).stat().st_size


@pytest.mark.parametrize("start", ["1", "60"])
def test_a_start_at_or_after_the_end_fails_with_nothing_left(convert_file: Convert, wav: Path, start: str) -> None:
    assert convert_file(wav, start=start).error_code == "nothing_left"


def test_the_end_of_a_truncated_sound_is_missing_unless_not_requested(
    convert_file: Convert, tmp_path: Path, wav: Path
) -> None:
    file = tmp_path / "cut.wav"
    file.write_bytes(wav.read_bytes()[:-8000])
    assert convert_file(file).missing_seconds == 0.5
    assert convert_file(file, start="0.25").missing_seconds == 0.5
    assert convert_file(file, end="0.25").missing_seconds == 0.0


def test_another_track_replaces_a_broken_one_unless_it_was_requested(
    convert_file: Convert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = ffmpeg(
        tmp_path / "a.mkv", *TONE, "-f", "lavfi", "-i", "sine=duration=0.5", "-map", "0", "-map", "0", "-map", "1",
        "-c:a", "flac", "-ac:a:0", "2", "-ac:a:1", "2", "-bsf:a:0", "noise=amount=1", "-bsf:a:1", "noise=amount=1",
    )  # fmt: skip
    job = convert_file(file)
    assert (job.state, job.length) == (State.READY, pytest.approx(0.5, abs=0.1))
    assert convert_file(file, track="1").error_code == "broken"
    assert convert_file(file, track="3").state == State.READY
    for limit, state in ((2, State.FAILED), (3, State.READY)):
        monkeypatch.setattr(conversion, "MAX_TRACKS_TRIED", limit)
        assert convert_file(file).state == state


def test_junk_between_the_frames_of_a_raw_stream_is_not_missing_sound(convert_file: Convert, tmp_path: Path) -> None:
    frames = ffmpeg(tmp_path / "a.ac3", "-f", "lavfi", "-i", "sine=duration=1:sample_rate=48000").read_bytes()
    file = tmp_path / "junk.ac3"
    file.write_bytes(frames + random.Random(5).randbytes(100_000) + frames)
    job = convert_file(file)
    assert (job.state, job.missing_seconds) == (State.READY, 0.0)


def test_a_file_recognized_only_by_its_suffix_is_converted(convert_file: Convert, tmp_path: Path) -> None:
    sound = ffmpeg(tmp_path / "a.ogg", *TONE, "-c:a", "libvorbis").read_bytes()
    for name, code in (("junk.ogg", None), ("junk", "not_media"), ("junk.mp4", "not_media")):
        file = tmp_path / name
        file.write_bytes(b"other bytes " * 1000 + sound)
        assert convert_file(file).error_code == code


def test_a_cover_is_kept_up_to_a_size_limit(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = ffmpeg(tmp_path / "cover.png", "-f", "lavfi", "-i", "color=red:size=64x64:duration=1", "-frames:v", "1")
    both = ("-map", "0", "-map", "1", "-disposition:v", "attached_pic", "-metadata", "title=Tones")
    file = ffmpeg(tmp_path / "a.mp3", *TONE, "-i", str(picture), *both)
    for margin, count in ((0, 1), (-1, 0)):
        monkeypatch.setattr(tags_module, "MAX_COVER_BYTES", picture.stat().st_size + margin)
        tags = MP3(save_mp3(convert_file(file))).tags
        assert tags is not None
        assert [cover.data for cover in tags.getall("APIC")] == [picture.read_bytes()] * count
        assert str(tags["TIT2"]) == "Tones"
    assert "APIC:Cover" not in (MP3(save_mp3(convert_file(file, cover="drop"))).tags or {})


def test_the_tags_of_an_ogg_are_those_of_the_converted_track(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path
) -> None:
    file = ffmpeg(
        tmp_path / "a.ogg", *TONE, *TONE, "-map", "0", "-map", "1", "-c:a", "libvorbis",
        "-metadata:s:a:0", "title=One", "-metadata:s:a:1", "title=Two",
    )  # fmt: skip
    for track, title in (("1", "One"), ("2", "Two")):
        assert str((MP3(save_mp3(convert_file(file, track=track))).tags or {})["TIT2"]) == title
