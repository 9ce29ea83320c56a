"""Sound with timestamps that are too slow, too fast or missing is complete, and no gaps are added."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from soundlift.common.jobs.model import State
from soundlift.common.services import Services
from tests.convert.conftest import Convert, SaveMp3
from tests.convert.pcm import assert_same_sound, decode_file, hiss, write_sound
from tests.factories.clips import ffmpeg

pytestmark = pytest.mark.media

RATE = 48000
PICTURE = ("-f", "lavfi", "-i", "testsrc=duration=2:size=32x32:rate=25")
MP4 = ("-c:v", "mpeg4", "-c:a", "aac")
TS = ("-c:v", "mpeg2video", "-c:a", "mp2")
FLV = ("-c:v", "flv", "-c:a", "aac")
# Timestamps at nine tenths and at a fiftieth of the sound's pace.
SLOW, SLOWER = "setts=ts=TS*0.9", "setts=ts=TS/50"


@pytest.mark.parametrize("times", [SLOW, SLOWER])
@pytest.mark.parametrize(
    ("name", "arguments", "before"),
    [
        ("a.mkv", ("-c:v", "mpeg4", "-c:a", "aac"), PICTURE),
        ("a.mka", ("-c:a", "aac"), ()),
        ("a.mp4", MP4, PICTURE),
        ("a.flv", (*FLV, "-ar", "44100"), PICTURE),
        ("a.ts", TS, PICTURE),
    ],
)
def test_sound_with_slow_timestamps_is_complete(
    convert_file: Convert,
    save_mp3: SaveMp3,
    tmp_path: Path,
    name: str,
    arguments: tuple[str, ...],
    before: tuple[str, ...],
    times: str,
) -> None:
    whole = write_sound(tmp_path / f"whole-{name}", hiss(4, RATE), RATE, *arguments, before=before)
    file = ffmpeg(tmp_path / name, "-i", str(whole), "-map", "0", "-c", "copy", "-bsf:a", times)
    job = convert_file(file)
    assert (job.state, job.missing_seconds) == (State.READY, 0.0)
    assert_same_sound(decode_file(save_mp3(job)).samples, decode_file(file).samples)


@pytest.mark.parametrize(
    ("options", "length"),
    [
        ({"start": "1"}, 3),
        ({"start": "3.5"}, 0.5),
        ({"end": "2"}, 2),
        ({"start": "1", "end": "1.5"}, 0.5),
        ({"normalize": "-16"}, 4),
        ({"channels": "1", "bitrate": "64k"}, 4),
    ],
    ids=str,
)
def test_a_part_of_sound_with_slow_timestamps_has_its_length(
    convert_file: Convert, tmp_path: Path, options: dict[str, str], length: float
) -> None:
    whole = write_sound(tmp_path / "whole.mka", hiss(4, RATE, 2), RATE, "-c:a", "flac")
    file = ffmpeg(tmp_path / "a.mka", "-i", str(whole), "-c", "copy", "-bsf:a", SLOWER)
    job = convert_file(file, **options)
    assert (job.state, job.length) == (State.READY, pytest.approx(length, abs=0.01))
    assert not job.missing_seconds


def test_sound_with_slow_timestamps_is_complete_on_all_cores(
    services: Services, convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path
) -> None:
    services.settings = replace(services.settings, convert_concurrency=2)
    whole = write_sound(tmp_path / "whole.mka", hiss(60, RATE), RATE, "-c:a", "flac")
    file = ffmpeg(tmp_path / "a.mka", "-i", str(whole), "-c", "copy", "-bsf:a", SLOW)
    job = convert_file(file)
    assert (job.state, job.missing_seconds) == (State.READY, 0.0)
    assert_same_sound(decode_file(save_mp3(job)).samples, decode_file(whole).samples)


FAST, FASTER = "setts=ts=TS*1.1", "setts=ts=TS*10"


@pytest.mark.parametrize("times", [FAST, "setts=ts=TS*2", FASTER])
@pytest.mark.parametrize(
    ("name", "arguments", "before"),
    [
        ("a.mkv", ("-c:v", "mpeg4", "-c:a", "aac"), PICTURE),
        ("a.mka", ("-c:a", "libopus"), ()),
        ("a.flv", (*FLV, "-ar", "44100"), PICTURE),
        ("a.ts", TS, PICTURE),
    ],
)
def test_fast_timestamps_do_not_add_gaps(
    convert_file: Convert,
    save_mp3: SaveMp3,
    tmp_path: Path,
    name: str,
    arguments: tuple[str, ...],
    before: tuple[str, ...],
    times: str,
) -> None:
    whole = write_sound(tmp_path / f"whole-{name}", hiss(4, RATE), RATE, *arguments, before=before)
    file = ffmpeg(tmp_path / name, "-i", str(whole), "-map", "0", "-c", "copy", "-bsf:a", times)
    job = convert_file(file)
    assert (job.state, job.missing_seconds) == (State.READY, 0.0)
    assert_same_sound(decode_file(save_mp3(job)).samples, decode_file(file).samples)


@pytest.mark.parametrize("times", ["0.985", "0.98", "1.03"])
def test_slightly_slow_or_fast_timestamps_drop_and_add_nothing(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, times: str
) -> None:
    whole = write_sound(tmp_path / "whole.mka", hiss(60, RATE), RATE, "-c:a", "aac")
    file = ffmpeg(tmp_path / "a.mka", "-i", str(whole), "-c", "copy", "-bsf:a", f"setts=ts=TS*{times}")
    job = convert_file(file)
    assert (job.state, job.missing_seconds) == (State.READY, 0.0)
    assert_same_sound(decode_file(save_mp3(job)).samples, decode_file(file).samples)


def test_sound_dropped_for_overlapping_timestamps_is_reported(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path
) -> None:
    whole = write_sound(tmp_path / "whole.mka", hiss(60, RATE), RATE, "-c:a", "aac")
    file = ffmpeg(tmp_path / "a.mka", "-i", str(whole), "-c", "copy", "-bsf:a", "setts=ts=TS*0.996")
    job = convert_file(file)
    dropped = decode_file(file).seconds - decode_file(save_mp3(job)).seconds
    assert dropped > 0.15
    assert job.missing_seconds == pytest.approx(dropped, abs=0.11)


def test_a_late_start_does_not_hide_that_sound_is_dropped(convert_file: Convert, tmp_path: Path) -> None:
    whole = write_sound(tmp_path / "whole.mka", hiss(4, RATE), RATE, "-c:a", "flac")
    inputs = (*PICTURE, "-itsoffset", "0.5", "-i", str(whole))
    late = ffmpeg(tmp_path / "late.mkv", *inputs, "-map", "0", "-map", "1", "-c:v", "mpeg4", "-c:a", "copy")
    slow = "setts=ts=STARTPTS+(TS-STARTPTS)*0.9"
    job = convert_file(ffmpeg(tmp_path / "a.mkv", "-i", str(late), "-map", "0", "-c", "copy", "-bsf:a", slow))
    assert job.length == pytest.approx(4, abs=0.05)


@pytest.mark.parametrize("extension", ["mp3", "aac", "ac3"])
def test_junk_between_the_frames_of_a_raw_stream_does_not_become_silence(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, extension: str
) -> None:
    bare = ("-write_xing", "0", "-id3v2_version", "0") if extension == "mp3" else ()
    half = write_sound(tmp_path / f"half.{extension}", hiss(4, RATE), RATE, *bare)
    file = tmp_path / f"a.{extension}"
    file.write_bytes(half.read_bytes() + b"no frame " * 300_000 + half.read_bytes())
    job = convert_file(file)
    assert job.length == pytest.approx(8, abs=0.2)
    assert len(decode_file(save_mp3(job)).samples) == len(decode_file(file).samples)


def test_concatenated_raw_streams_of_two_rates_have_their_total_length(convert_file: Convert, tmp_path: Path) -> None:
    one, other = (write_sound(tmp_path / f"{rate}.aac", hiss(4, rate), rate) for rate in (24000, RATE))
    file = tmp_path / "a.aac"
    file.write_bytes(one.read_bytes() + other.read_bytes())
    assert convert_file(file).length == pytest.approx(8, abs=0.2)
