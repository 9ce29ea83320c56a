"""Each option of an upload changes the MP3's sound or tags."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mutagen.mp3 import MP3, BitrateMode, MPEGInfo

from functions.convert.handler import convert
from soundlift.common.events import event_for
from soundlift.common.jobs.model import State
from soundlift.common.process.ffmpeg import binary
from soundlift.common.services import Services
from tests.convert.conftest import Convert, SaveMp3
from tests.convert.pcm import decode_file, hiss, lag, write_sound
from tests.factories.clips import SINE, ffmpeg, talking_mp4
from tests.factories.jobs import job_now, queued_job

pytestmark = pytest.mark.media

RATE = 44100


@pytest.fixture
def stereo(tmp_path: Path) -> Path:
    """Return three seconds of noise, different on each side."""
    return write_sound(tmp_path / "noise.wav", hiss(3, RATE, 2), RATE)


def _kilobits(info: MPEGInfo) -> int:
    """Return the bit rate in kbit/s, which mutagen computes from the size and the length."""
    return round(info.bitrate / 1000)


@pytest.mark.parametrize("bitrate", ["32", "128", "192k", "320"])
def test_a_requested_bit_rate_is_constant(convert_file: Convert, save_mp3: SaveMp3, stereo: Path, bitrate: str) -> None:
    info = MP3(save_mp3(convert_file(stereo, bitrate=bitrate))).info
    assert (info.bitrate_mode, _kilobits(info)) == (BitrateMode.CBR, int(bitrate.removesuffix("k")))


@pytest.mark.parametrize(("rate", "highest"), [(22050, 160), (11025, 64)])
def test_a_bit_rate_is_limited_by_the_sample_rate(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, rate: int, highest: int
) -> None:
    file = write_sound(tmp_path / "low.wav", hiss(2, rate, 2), rate)
    assert _kilobits(MP3(save_mp3(convert_file(file, bitrate="320"))).info) == highest


def test_a_lower_quality_makes_a_smaller_mp3(convert_file: Convert, stereo: Path) -> None:
    sizes = [convert_file(stereo, quality=str(quality)).mp3_bytes for quality in (0, 4, 9)]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == len(sizes)


@pytest.mark.parametrize(("requested", "expected"), [("22050", 22050), ("32000", 32000), ("48000", 44100)])
def test_a_sample_rate_is_at_most_that_of_the_source(
    convert_file: Convert, save_mp3: SaveMp3, stereo: Path, requested: str, expected: int
) -> None:
    mp3 = save_mp3(convert_file(stereo, sample_rate=requested))
    assert MP3(mp3).info.sample_rate == expected
    assert len(decode_file(mp3).samples) == 3 * expected


def test_stereo_can_be_mixed_to_mono(convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path) -> None:
    left = write_sound(tmp_path / "left.wav", hiss(3, RATE) * np.array([[1, 0]], np.float32), RATE)
    sound = decode_file(save_mp3(convert_file(left, channels="1")))
    assert sound.samples.shape[1] == 1
    assert sound.samples.std() == pytest.approx(0.2 * np.sqrt(0.5), rel=0.03)  # ITU-R BS.775's mono


def test_mono_becomes_two_equal_channels_on_request(convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path) -> None:
    sound = decode_file(save_mp3(convert_file(write_sound(tmp_path / "mono.wav", hiss(3, RATE), RATE), channels="2")))
    assert sound.samples.shape[1] == 2
    assert np.abs(sound.samples[:, 0] - sound.samples[:, 1]).max() < 0.01
    assert sound.samples[:, 0].std() == pytest.approx(0.2, rel=0.03)


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [
        ("1", "2", 44100, 88200),
        ("0.25", "2.123457", 11025, 93644),
        ("0:01.5", "3", 66150, 132300),
        ("0", "1.000023", 0, 44101),
    ],
)
def test_a_part_is_cut_out_to_the_sample(
    convert_file: Convert, save_mp3: SaveMp3, stereo: Path, start: str, end: str, first: int, last: int
) -> None:
    job = convert_file(stereo, start=start, end=end)
    sound = decode_file(save_mp3(job))
    source = decode_file(stereo).samples[first:last]
    assert len(sound.samples) == last - first
    assert lag(source, sound.samples) == 0
    assert job.length == pytest.approx((last - first) / RATE)


def test_an_end_after_the_end_of_the_sound_is_ignored(convert_file: Convert, stereo: Path) -> None:
    assert convert_file(stereo, start="1", end="100").length == 2


def test_a_start_after_the_end_of_the_sound_fails_with_a_code(convert_file: Convert, stereo: Path) -> None:
    job = convert_file(stereo, start="60")
    assert (job.state, job.error_code) == (State.FAILED, "nothing_left")


@pytest.fixture
def three_tracks(tmp_path: Path) -> Path:
    """Return a video with tracks of one, two and three seconds: German, French, and without a language."""
    tones = [part for seconds in (1, 2, 3) for part in ("-f", "lavfi", "-i", f"sine=duration={seconds}")]
    languages = ("-metadata:s:a:0", "language=ger", "-metadata:s:a:1", "language=fra")
    maps = ("-map", "0", "-map", "1", "-map", "2")
    return ffmpeg(tmp_path / "tracks.mkv", *tones, *maps, "-c:a", "flac", *languages)


@pytest.mark.parametrize(
    ("track", "seconds"),
    [("1", 1), ("2", 2), ("3", 3), ("ger", 1), ("deu", 1), ("de", 1), ("fr", 2), ("fre", 2)],
)
def test_a_track_is_selected_by_its_number_or_any_code_of_its_language(
    convert_file: Convert, three_tracks: Path, track: str, seconds: int
) -> None:
    assert convert_file(three_tracks, track=track).length == seconds


@pytest.mark.parametrize("track", ["4", "eng", "xx"])
def test_the_failure_for_a_missing_track_lists_the_others(
    convert_file: Convert, three_tracks: Path, track: str
) -> None:
    job = convert_file(three_tracks, track=track)
    assert (job.state, job.error_code) == (State.FAILED, "no_such_track")
    assert job.error == f"The video has no audio track {track}. It has 3 audio tracks: fra, ger."


LOUDNESS = [("true", -16.0), ("-23", -23.0), ("-30", -30.0)]


def _loudness(file: Path) -> tuple[float, float]:
    """Return the integrated loudness in LUFS and the true peak in dB that FFmpeg's meter finds (EBU R128)."""
    meter = ["-af", "ebur128=peak=true:dualmono=true", "-f", "null", "-"]
    report = subprocess.run(
        [binary(), "-nostdin", "-hide_banner", "-i", str(file), *meter], capture_output=True, text=True, check=True
    ).stderr
    summary = report[report.rindex("Summary:") :]
    return float(re.findall(r"I: +(\S+) LUFS", summary)[0]), float(re.findall(r"Peak: +(\S+) dBFS", summary)[0])


@pytest.mark.parametrize(("requested", "target"), LOUDNESS)
@pytest.mark.parametrize("level", [0.02, 0.1])
def test_the_loudness_is_as_requested_and_the_length_is_kept(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, requested: str, target: float, level: float
) -> None:
    source = hiss(8, RATE, 2, level=level)
    mp3 = save_mp3(convert_file(write_sound(tmp_path / "quiet.wav", source, RATE), normalize=requested))
    assert _loudness(mp3)[0] == pytest.approx(target, abs=0.5)
    sound = decode_file(mp3)
    assert (len(sound.samples), sound.rate) == (len(source), RATE)
    assert lag(source, sound.samples) == 0


def test_normalized_sound_with_high_peaks_keeps_its_length_unclipped(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path
) -> None:
    source = hiss(8, RATE, 1, level=0.01)
    source[::RATE] = 0.9
    sound = save_mp3(convert_file(write_sound(tmp_path / "peaks.wav", source, RATE), normalize="-16"))
    assert _loudness(sound)[1] <= 0
    assert len(decode_file(sound).samples) == len(source)


def test_silence_has_no_loudness_to_set(convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path) -> None:
    job = convert_file(ffmpeg(tmp_path / "silence.wav", "-f", "lavfi", "-i", "anullsrc=duration=2"), normalize="true")
    assert (job.state, job.length) == (State.READY, 2)
    assert not decode_file(save_mp3(job)).samples.any()


def test_requested_tags_replace_the_sources_and_an_empty_one_removes_it(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path
) -> None:
    file = talking_mp4(tmp_path, "-metadata", "title=Old", "-metadata", "artist=Old", "-metadata", "album=Kept")
    tags = MP3(
        save_mp3(convert_file(file, tag_title="Nëw 🎵", tag_artist="", tag_date="2024-05", tag_track="3/12"))
    ).tags
    assert tags is not None
    assert {name: str(tags[name]) for name in ("TIT2", "TALB", "TDRC", "TRCK")} == {
        "TIT2": "Nëw 🎵",
        "TALB": "Kept",
        "TDRC": "2024-05",
        "TRCK": "3/12",
    }
    assert "TPE1" not in tags


def test_the_sources_tags_can_be_stripped_and_replaced(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path
) -> None:
    file = talking_mp4(tmp_path, "-metadata", "title=Old", "-metadata:s:a", "language=deu")
    tags = MP3(save_mp3(convert_file(file, tags="strip", tag_comment="Mine"))).tags
    assert tags is not None
    assert set(tags) == {"TSSE", "COMM::XXX"}


def test_a_cover_can_be_dropped(convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path) -> None:
    picture = ffmpeg(tmp_path / "cover.png", "-f", "lavfi", "-i", "color=red:size=64x64:duration=1", "-frames:v", "1")
    both = ("-map", "0", "-map", "1", "-disposition:v", "attached_pic")
    file = ffmpeg(tmp_path / "a.mp3", *SINE, "-i", str(picture), *both)
    assert "APIC:Cover" in (MP3(save_mp3(convert_file(file))).tags or {})
    assert "APIC:Cover" not in (MP3(save_mp3(convert_file(file, cover="drop"))).tags or {})


def test_a_job_without_options_uses_the_settings(services: Services, save_mp3: SaveMp3, stereo: Path) -> None:
    services.settings = replace(services.settings, audio_bitrate="96k")
    job = queued_job(services, stereo.read_bytes(), "a.wav")
    convert(event_for(job), services)
    assert _kilobits(MP3(save_mp3(job_now(services, job.id))).info) == 96
