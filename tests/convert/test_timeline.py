"""A time in the MP3 is the same time in the video, counted from its first timestamp, despite late starts and gaps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mutagen.mp3 import MP3

from soundlift.common.jobs.model import State
from tests.convert.conftest import Convert, ConvertAndDecode, SaveMp3
from tests.convert.pcm import assert_same_sound, decode_by_timestamps, decode_file, hiss, lag, write_sound
from tests.factories.clips import ffmpeg

pytestmark = pytest.mark.media

RATE = 48000
PICTURE = ("-f", "lavfi", "-i", "testsrc=duration=2:size=32x32:rate=25")
LATE_SECONDS = 0.5
LATE = ("-af", f"asetpts=PTS+{LATE_SECONDS}/TB")
LATE_PICTURE = ("-vf", "setpts=PTS+0.5/TB")
# Whole packets are dropped, and the others keep their times.
GAP = ("-af", "asetnsamples=480,aselect='lt(t,0.5)+gte(t,1.5)'")
SILENCE = 0.001  # -60 dB

MP4 = ("-c:v", "mpeg4", "-c:a", "aac")
MOV = ("-c:v", "mpeg4", "-c:a", "pcm_s16le")
MKV = ("-c:v", "mpeg4", "-c:a", "flac")
TS = ("-c:v", "mpeg2video", "-c:a", "mp2")
FLV = ("-c:v", "flv", "-c:a", "aac")


@pytest.mark.parametrize(
    ("name", "rate", "arguments", "tick"),
    [
        ("a.mp4", RATE, MP4, 0),
        ("a.mov", RATE, MOV, 0),
        ("a.mkv", RATE, MKV, 0),
        ("a.ts", RATE, TS, 0),
        ("a.mpg", RATE, TS, 1),  # the ticks of its 90 kHz clock are not at samples
        ("a.flv", 44100, FLV, 44),  # clocks that tick in milliseconds
        ("a.wmv", RATE, ("-c:v", "wmv2", "-c:a", "wmav2"), 48),
    ],
)
def test_sound_that_begins_late_is_preceded_by_silence(
    convert_and_decode: ConvertAndDecode, tmp_path: Path, name: str, rate: int, arguments: tuple[str, ...], tick: int
) -> None:
    sound = hiss(1.5, rate)
    file = write_sound(tmp_path / name, sound, rate, *arguments, *LATE, before=PICTURE)
    found, expected = convert_and_decode(file).samples, decode_by_timestamps(file).samples
    assert len(found) == pytest.approx(len(expected), abs=tick)
    assert lag(found, sound) == pytest.approx(LATE_SECONDS * rate, abs=tick)
    # The last 50 ms may have pre-echo of the sound, in a frame of the codec and one of the MP3.
    assert np.abs(found[: int((LATE_SECONDS - 0.05) * rate)]).max() < SILENCE


@pytest.mark.parametrize(("name", "arguments"), [("a.mp4", MP4), ("a.mkv", MKV), ("a.ts", TS)])
def test_a_picture_that_begins_late_adds_no_silence(
    convert_and_decode: ConvertAndDecode, tmp_path: Path, name: str, arguments: tuple[str, ...]
) -> None:
    file = write_sound(tmp_path / name, hiss(1, RATE), RATE, *arguments, *LATE_PICTURE, before=PICTURE)
    assert_same_sound(convert_and_decode(file).samples, decode_file(file).samples)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("a.mp4", MP4),
        ("a.mov", MOV),
        ("a.mkv", MKV),
        ("a.webm", ("-c:v", "libvpx", "-c:a", "libopus")),
        ("a.ts", TS),
        ("a.mpg", TS),
        ("a.flv", (*FLV, "-ar", "44100")),
    ],
)
def test_a_first_timestamp_that_all_streams_share_adds_no_silence(
    convert_and_decode: ConvertAndDecode, tmp_path: Path, name: str, arguments: tuple[str, ...]
) -> None:
    file = write_sound(tmp_path / name, hiss(1, RATE), RATE, *arguments, "-output_ts_offset", "10", before=PICTURE)
    assert_same_sound(convert_and_decode(file).samples, decode_file(file).samples)


@pytest.mark.parametrize("name", ["a.mka", "a.ts", "a.m4a"])
def test_the_first_timestamp_of_an_audio_file_adds_no_silence(
    convert_and_decode: ConvertAndDecode, tmp_path: Path, name: str
) -> None:
    file = write_sound(tmp_path / name, hiss(1, RATE), RATE, "-c:a", "aac", "-output_ts_offset", "100")
    assert_same_sound(convert_and_decode(file).samples, decode_file(file).samples)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mka", "flac"), ("pcm.mka", "pcm_s16le"), ("a.ts", "mp2"), ("a.m4a", "aac"), ("a.mov", "alac")],
)
def test_a_gap_becomes_silence_of_the_same_length(
    convert_and_decode: ConvertAndDecode, tmp_path: Path, name: str, codec: str
) -> None:
    file = write_sound(tmp_path / name, hiss(2, RATE), RATE, "-c:a", codec, *GAP)
    found, expected = convert_and_decode(file).samples, decode_by_timestamps(file).samples
    assert len(expected) - len(decode_file(file).samples) == pytest.approx(RATE, abs=RATE // 10)
    assert_same_sound(found, expected)
    assert np.abs(found[int(0.65 * RATE) : int(1.35 * RATE)]).max() < SILENCE


@pytest.mark.parametrize(("name", "codec"), [("aac.m4a", "aac"), ("alac.m4a", "alac"), ("mp2.ts", "mp2")])
def test_a_missing_packet_does_not_shift_the_sound(
    convert_and_decode: ConvertAndDecode, tmp_path: Path, name: str, codec: str
) -> None:
    whole = write_sound(tmp_path / f"whole-{name}", hiss(2, RATE), RATE, "-c:a", codec)
    file = ffmpeg(tmp_path / name, "-i", str(whole), "-c", "copy", "-bsf:a", "noise=drop='eq(n,10)'")
    found, expected = convert_and_decode(file).samples, decode_by_timestamps(whole).samples
    assert len(found) == len(expected)
    half = slice(RATE, None)
    assert lag(found[half], expected[half]) == 0


def test_an_edit_list_cuts_to_the_sample(convert_and_decode: ConvertAndDecode, tmp_path: Path) -> None:
    whole = write_sound(tmp_path / "whole.m4a", hiss(2, RATE), RATE, "-c:a", "aac")
    file = ffmpeg(tmp_path / "a.m4a", "-ss", "0.3", "-i", str(whole), "-c", "copy")
    assert len(decode_file(file).samples) < len(decode_file(whole).samples)
    assert_same_sound(convert_and_decode(file).samples, decode_by_timestamps(file).samples)


def test_sound_that_ends_before_its_picture_is_not_padded(convert_and_decode: ConvertAndDecode, tmp_path: Path) -> None:
    file = write_sound(tmp_path / "a.mkv", hiss(1, RATE), RATE, *MKV, before=PICTURE)
    assert_same_sound(convert_and_decode(file).samples, decode_file(file).samples)


@pytest.mark.parametrize(
    "options", [{"end": "1"}, {"start": "0.5", "end": "1"}, {"end": "2", "normalize": "-16"}], ids=str
)
def test_a_part_of_sound_with_a_gap_keeps_the_gap(
    convert_file: Convert, tmp_path: Path, options: dict[str, str]
) -> None:
    file = write_sound(tmp_path / "a.mka", hiss(2, RATE), RATE, "-c:a", "flac", *GAP)
    job = convert_file(file, **options)
    expected = float(options["end"]) - float(options.get("start", "0"))
    assert (job.state, job.length) == (State.READY, pytest.approx(expected, abs=0.01))


# Every tenth packet, as on a bad network, and a few long pauses.
LOSSES = ["noise=drop='not(mod(n,10))'", "noise=drop='between(n,20,60)+between(n,80,120)'"]


@pytest.mark.parametrize("lost", LOSSES)
@pytest.mark.parametrize(("name", "tick"), [("a.m4a", 0), ("a.mka", 1024)])
def test_many_or_long_gaps_become_silence(
    convert_and_decode: ConvertAndDecode, tmp_path: Path, name: str, tick: int, lost: str
) -> None:
    whole = write_sound(tmp_path / f"whole-{name}", hiss(4, RATE), RATE, "-c:a", "aac")
    file = ffmpeg(tmp_path / name, "-i", str(whole), "-c", "copy", "-bsf:a", lost)
    found, expected = convert_and_decode(file).samples, decode_by_timestamps(whole).samples
    last = slice(int(2.8 * RATE), int(3.9 * RATE))
    # If the clock ticks in milliseconds, a gap of one packet may appear one packet late.
    assert lag(found[last], expected[last]) == pytest.approx(0, abs=tick)


SUBTITLES = "1\n00:00:00,000 --> 00:00:01,000\nHello\n\n2\n00:00:02,000 --> 00:00:02,400\nHello\n"
OFFSET = ("-itsoffset", "0.6")


@pytest.mark.parametrize(
    ("name", "kind", "codecs"),
    [
        ("a.mkv", (), ("-c:v", "mpeg4", "-c:a", "flac", "-c:s", "srt")),
        ("a.mp4", (), ("-c:v", "mpeg4", "-c:a", "aac", "-c:s", "mov_text")),
        ("a.mov", (), ("-c:v", "mpeg4", "-c:a", "pcm_s16le", "-c:s", "mov_text")),
        ("a.ts", ("-f", "data"), ("-c:v", "mpeg2video", "-c:a", "mp2", "-c:d", "copy")),
    ],
)
def test_early_subtitles_and_data_add_no_silence(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, name: str, kind: tuple[str, ...], codecs: tuple[str, ...]
) -> None:
    (tmp_path / "a.srt").write_text(SUBTITLES)
    sound = write_sound(tmp_path / "sound.wav", hiss(2, RATE), RATE)
    inputs = (*kind, "-i", str(tmp_path / "a.srt"), *OFFSET, *PICTURE, *OFFSET, "-i", str(sound))
    file = ffmpeg(tmp_path / name, *inputs, "-map", "0", "-map", "1", "-map", "2", *codecs)
    for options in ({}, {"normalize": "-23"}, {"start": "0.5"}):
        found, expected = decode_file(save_mp3(convert_file(file, **options))).samples, decode_file(file).samples
        cut = round(float(options.get("start", "0")) * RATE)
        assert len(found) == len(expected) - cut
        assert lag(found, expected[cut:]) == 0


def test_chapters_keep_their_times_if_subtitles_begin_before_the_sound(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path
) -> None:
    (tmp_path / "a.srt").write_text(SUBTITLES)
    (tmp_path / "list.txt").write_text(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=1600\nEND=2000\ntitle=One\n")
    sound = write_sound(tmp_path / "sound.wav", hiss(2, RATE), RATE)
    inputs = (
        "-i",
        str(tmp_path / "a.srt"),
        *OFFSET,
        *PICTURE,
        *OFFSET,
        "-i",
        str(sound),
        "-i",
        str(tmp_path / "list.txt"),
    )
    file = ffmpeg(tmp_path / "a.mkv", *inputs, "-map", "0", "-map", "1", "-map", "2", "-c:v", "mpeg4", "-c:a", "flac",
                  "-map_chapters", "3")  # fmt: skip
    (chapter,) = MP3(save_mp3(convert_file(file))).tags.getall("CHAP")
    assert (chapter.start_time, chapter.end_time) == (1000, 1400)


def test_channels_that_change_add_no_silence_and_keep_the_requested_part_in_its_place(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path
) -> None:
    parts = [write_sound(tmp_path / f"{count}.ac3", hiss(2, RATE, count), RATE) for count in (1, 2)]
    joined = tmp_path / "a.ac3"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    file = ffmpeg(tmp_path / "a.mkv", "-i", str(joined), "-c", "copy")
    # FFmpeg loses the frames in its filters at the change.
    for options, seconds in (({"format": "m4a"}, 4), ({"format": "flac", "start": "1", "end": "3"}, 2)):
        job = convert_file(file, **options)
        assert decode_file(save_mp3(job)).seconds == pytest.approx(seconds, abs=0.2)
        assert job.length == pytest.approx(decode_file(save_mp3(job)).seconds)
