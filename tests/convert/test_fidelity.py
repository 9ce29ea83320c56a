"""The MP3 has exactly the samples of its source: none is missing, added or shifted.

FFmpeg decodes both, and trims the encoder's delay and padding from the MP3, as its LAME tag declares.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.convert.conftest import Convert, ConvertAndDecode, SaveMp3
from tests.convert.pcm import (
    MIN_CORRELATION,
    Samples,
    assert_same_sound,
    correlation,
    decode_file,
    hiss,
    lag,
    write_sound,
)

pytestmark = pytest.mark.media

PICTURE = ("-f", "lavfi", "-i", "testsrc=duration=1:size=32x32:rate=25")
MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


def test_the_comparison_detects_a_shift_by_one_sample() -> None:
    sound = hiss(1, 44100)
    assert_same_sound(sound, sound)
    assert lag(sound[:-1], sound[1:]) == 1
    with pytest.raises(AssertionError):
        assert_same_sound(np.roll(sound, 1, axis=0), sound)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", MP3_RATES)
def test_every_sample_rate_of_mp3_is_kept(
    convert_and_decode: ConvertAndDecode, tmp_path: Path, rate: int, channels: int
) -> None:
    sound = hiss(1.2345, rate, channels)
    found = convert_and_decode(write_sound(tmp_path / "a.wav", sound, rate))
    assert found.rate == rate
    assert_same_sound(found.samples, sound)


# An MP3 frame has 1152 samples, or 576 at 24 kHz and below. LAME adds 1105 samples at the beginning, so with 1
# to 46 samples in the last frame, the padding is longer than a frame.
@pytest.mark.parametrize("rate", [44100, 16000])
@pytest.mark.parametrize(
    "count", [1, 2, 46, 47, 100, 575, 576, 577, 1000, 1105, 1151, 1152, 1153, 1198, 1199, 2304, 2305, 11520, 11521]
)
def test_sound_of_any_length_keeps_it(
    convert_and_decode: ConvertAndDecode, tmp_path: Path, rate: int, count: int
) -> None:
    sound = hiss(1, rate)[:count]
    found = convert_and_decode(write_sound(tmp_path / "a.wav", sound, rate))
    assert found.samples.shape == sound.shape
    if count >= 100:
        assert lag(found.samples, sound) == 0


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("a.m4a", ("-c:a", "aac")),
        ("alac.m4a", ("-c:a", "alac")),
        ("a.mov", ("-c:a", "pcm_s24le")),
        ("aac.mka", ("-c:a", "aac")),
        ("opus.mka", ("-c:a", "libopus")),
        ("a.webm", ("-c:a", "libopus")),
        ("aac.ts", ("-c:a", "aac")),
        ("mp2.ts", ("-c:a", "mp2")),
        ("a.flv", ("-c:a", "aac", "-ar", "44100")),
        ("a.avi", ("-c:a", "libmp3lame")),
        ("pcm.avi", ("-c:a", "pcm_s16le")),
        ("a.mpg", ("-c:a", "mp2")),
        ("a.ogg", ("-c:a", "libvorbis")),
        ("a.opus", ("-c:a", "libopus")),
        ("a.flac", ("-c:a", "flac")),
        ("a.mp3", ("-c:a", "libmp3lame")),
        ("a.aac", ("-c:a", "aac")),
        ("a.ac3", ("-c:a", "ac3")),
        ("a.amr", ("-ar", "8000", "-c:a", "libopencore_amrnb")),
        ("a.aiff", ()),
        ("a.caf", ("-c:a", "pcm_s16be")),
        ("a.dts", ("-c:a", "dca", "-strict", "-2")),
    ],
)
def test_an_audio_file_keeps_the_samples_of_its_source(
    convert_and_decode: ConvertAndDecode, tmp_path: Path, name: str, arguments: tuple[str, ...]
) -> None:
    file = write_sound(tmp_path / name, hiss(1.2345, 48000), 48000, *arguments)
    assert_same_sound(convert_and_decode(file).samples, decode_file(file).samples)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("a.mp4", ("-c:v", "mpeg4", "-c:a", "aac")),
        ("fragments.mp4", ("-c:v", "mpeg4", "-c:a", "aac", "-movflags", "+frag_keyframe+empty_moov")),
        ("a.mov", ("-c:v", "mpeg4", "-c:a", "pcm_s16le")),
        ("a.mkv", ("-c:v", "mpeg4", "-c:a", "aac")),
        ("a.webm", ("-c:v", "libvpx", "-c:a", "libopus")),
        ("aac.ts", ("-c:v", "mpeg2video", "-c:a", "aac")),
        ("mp2.ts", ("-c:v", "mpeg2video", "-c:a", "mp2")),
        ("a.mpg", ("-c:v", "mpeg2video", "-c:a", "mp2")),
        ("a.avi", ("-c:v", "mpeg4", "-c:a", "libmp3lame")),
        ("a.flv", ("-c:v", "flv", "-c:a", "aac", "-ar", "44100")),
        ("a.ogv", ("-c:v", "libtheora", "-c:a", "libvorbis")),
        ("a.mxf", ("-c:v", "mpeg2video", "-c:a", "pcm_s16le")),
    ],
)
def test_sound_that_begins_with_the_picture_keeps_its_samples(
    convert_and_decode: ConvertAndDecode, tmp_path: Path, name: str, arguments: tuple[str, ...]
) -> None:
    file = write_sound(tmp_path / name, hiss(1, 48000), 48000, *arguments, before=PICTURE)
    assert_same_sound(convert_and_decode(file).samples, decode_file(file).samples)


@pytest.mark.parametrize(
    ("source", "expected"),
    [(7350, 8000), (11000, 8000), (11026, 11025), (37800, 32000), (44056, 32000), (47999, 44100), (64000, 48000),
     (88200, 48000), (96000, 48000), (176400, 48000), (192000, 48000)],
)  # fmt: skip
def test_a_rate_that_mp3_lacks_becomes_the_next_lower_one(
    convert_and_decode: ConvertAndDecode, tmp_path: Path, source: int, expected: int
) -> None:
    count = 2 * source + 7
    found = convert_and_decode(write_sound(tmp_path / "a.wav", _sweep(count, source), source))
    assert found.rate == expected
    # A resampler's filter extends beyond the end of the sound, and its last sample is between two of the source.
    assert len(found.samples) == pytest.approx(count * expected / source, abs=1.5)
    ideal = _sweep(len(found.samples), expected)
    assert lag(found.samples, ideal) == 0
    assert correlation(found.samples, ideal) > MIN_CORRELATION


def _sweep(count: int, rate: int) -> Samples:
    """Return a sweep from 200 Hz to 3 kHz in two seconds, computed exactly at any rate."""
    times = np.arange(count) / rate
    return (0.4 * np.sin(2 * np.pi * (200 * times + 700 * times**2)))[:, None].astype(np.float32)


@pytest.mark.parametrize("name", ["a.m4a", "a.wav", "a.ogg"])
def test_mono_stays_mono_and_keeps_its_level(convert_and_decode: ConvertAndDecode, tmp_path: Path, name: str) -> None:
    file = write_sound(tmp_path / name, hiss(1, 44100), 44100)
    found, expected = convert_and_decode(file).samples, decode_file(file).samples
    assert found.shape == expected.shape
    assert found.std() == pytest.approx(float(expected.std()), rel=0.02)


def test_the_channels_of_stereo_keep_their_sides(convert_and_decode: ConvertAndDecode, tmp_path: Path) -> None:
    sound = hiss(1, 44100, 2)
    found = convert_and_decode(write_sound(tmp_path / "a.flac", sound, 44100)).samples
    for side in (0, 1):
        assert correlation(found[:, [side]], sound[:, [side]]) > MIN_CORRELATION


@pytest.mark.parametrize("count", [1000, 44100, 100000])
def test_the_job_and_the_sound_have_the_same_length(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, count: int
) -> None:
    job = convert_file(write_sound(tmp_path / "a.wav", hiss(3, 44100)[:count], 44100))
    assert job.length == pytest.approx(count / 44100, abs=0.001)
    assert decode_file(save_mp3(job)).seconds == count / 44100
