"""The MP3 has the source's sound: rate, channels, length, level and tags."""

from __future__ import annotations

import array
import math
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from mutagen.mp3 import MP3, BitrateMode

from soundlift.common.process.ffmpeg import binary
from soundlift.common.services import Services
from tests.convert.conftest import Convert, SaveMp3
from tests.factories.clips import SINE, ffmpeg, talking_mp4

pytestmark = pytest.mark.media  # together, its tests take seconds of a fast loop

MP3_FRAME_SECONDS = 1152 / 44100


def _tone(rate: int, channels: int = 1) -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"sine=duration=2:sample_rate={rate}", "-ac", str(channels), "-c:a", "pcm_s16le")


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(48000, 48000), (44100, 44100), (32000, 32000), (22050, 22050), (11025, 11025), (8000, 8000), (96000, 48000),
     (192000, 48000), (37800, 32000), (7350, 8000)],
)  # fmt: skip
def test_the_sample_rate_is_the_sources_or_the_next_lower_one_of_mp3(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, rate: int, expected: int
) -> None:
    file = ffmpeg(tmp_path / "a.wav", *_tone(rate))
    assert MP3(save_mp3(convert_file(file))).info.sample_rate == expected


@pytest.mark.parametrize("channels", [1, 2])
def test_mono_stays_mono_and_stereo_stays_stereo(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, channels: int
) -> None:
    file = ffmpeg(tmp_path / "a.wav", *_tone(44100, channels))
    assert MP3(save_mp3(convert_file(file))).info.channels == channels


def _levels(file: Path) -> tuple[float, float]:
    """Return the RMS level of the left and right channel, with full scale at 1."""
    command = [binary(), "-v", "error", "-nostdin", "-i", str(file), "-f", "f32le", "-ac", "2", "-"]
    samples = array.array("f", subprocess.run(command, check=True, capture_output=True).stdout)
    left, right = samples[0::2], samples[1::2]
    return tuple(math.sqrt(sum(value * value for value in side) / len(side)) for side in (left, right))


HALF_POWER = math.sqrt(0.5)


@pytest.mark.parametrize(
    ("channel", "left", "right"),
    [
        ("FL", 1, 0),
        ("FR", 0, 1),
        ("FC", HALF_POWER, HALF_POWER),
        ("LFE", 0, 0),
        ("BL", HALF_POWER, 0),
        ("BR", 0, HALF_POWER),
    ],
)
@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_f32le"])
def test_six_channels_are_mixed_with_the_coefficients_of_itu_r_bs_775(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, codec: str, channel: str, left: float, right: float
) -> None:
    source = f"sine=duration=2:sample_rate=48000,volume=2,pan=5.1|{channel}=c0"
    file = ffmpeg(tmp_path / "a.wav", "-f", "lavfi", "-i", source, "-c:a", codec)
    level = math.sqrt(0.5) / 4  # a sine of lavfi has an amplitude of 1/8, doubled above
    found = _levels(save_mp3(convert_file(file)))
    # 3 % is 0.3 dB, for the deviation of LAME at V2 and the silence at both ends.
    assert found == pytest.approx((level * left, level * right), abs=level * 0.03)


def test_title_artist_and_album_are_kept_but_not_place_and_device(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path
) -> None:
    tags = {"title": "Título 🎵", "artist": "Jürgen", "album": "音", "location": "+48.85+002.35/"}
    file = talking_mp4(tmp_path, *(part for name, value in tags.items() for part in ("-metadata", f"{name}={value}")))
    found = MP3(save_mp3(convert_file(file))).tags
    assert (str(found["TIT2"]), str(found["TPE1"]), str(found["TALB"])) == ("Título 🎵", "Jürgen", "音")
    assert b"48.85" not in save_mp3(convert_file(file)).read_bytes()
    assert not [name for name in found if "brand" in name or "location" in name]


def test_the_default_is_variable_bit_rate_with_its_xing_header(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path
) -> None:
    mp3 = save_mp3(convert_file(talking_mp4(tmp_path)))
    assert MP3(mp3).info.bitrate_mode == BitrateMode.VBR
    assert b"Xing" in mp3.read_bytes()[:2000]


def test_a_constant_bit_rate_is_a_setting(
    services: Services, convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path
) -> None:
    services.settings = replace(services.settings, audio_bitrate="192k")
    mp3 = save_mp3(convert_file(ffmpeg(tmp_path / "a.wav", *_tone(44100, 2))))
    info = MP3(mp3).info
    assert (info.bitrate_mode, round(info.bitrate / 1000)) == (BitrateMode.CBR, 192)
    assert b"Info" in mp3.read_bytes()[:2000]


def test_the_header_the_job_and_the_source_have_the_same_length(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path
) -> None:
    job = convert_file(ffmpeg(tmp_path / "a.wav", *SINE))
    assert job.length == pytest.approx(3, abs=0.001)
    assert MP3(save_mp3(job)).info.length == pytest.approx(3, abs=2 * MP3_FRAME_SECONDS)


def test_the_mp3_contains_no_video_stream(convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path) -> None:
    assert not [name for name in MP3(save_mp3(convert_file(talking_mp4(tmp_path)))).tags if name.startswith("APIC")]
