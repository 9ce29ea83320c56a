"""Invalid samples in float PCM do not end a conversion, and loud samples are kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from functions.convert.formats.mp3_frames import HeaderFrame, NotMp3, read_frames
from soundlift.common.jobs.model import State
from soundlift.common.services import Services
from tests.convert.conftest import Convert, ConvertAndDecode, SaveMp3
from tests.convert.pcm import assert_same_sound, decode_file, hiss, rms_levels, write_sound
from tests.factories.clips import ffmpeg

pytestmark = pytest.mark.media

RATE = 48000
AT = RATE // 2
INVALID = [np.nan, np.inf, -np.inf, 3e38]


def _float_wav(folder: Path, value: float, *, at: int = AT, channels: int = 2, codec: str = "pcm_f32le") -> Path:
    """Write a float WAV of one second in which one sample of the first channel has the given value."""
    sound = hiss(1, RATE, channels)
    sound[at, 0] = value
    return write_sound(folder / "a.wav", sound, RATE, "-c:a", codec)


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("value", INVALID)
def test_an_invalid_sample_becomes_silence_and_the_rest_is_kept(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, value: float, channels: int
) -> None:
    job = convert_file(_float_wav(tmp_path, value, channels=channels))
    assert (job.state, job.attempts, job.missing_seconds) == (State.READY, 1, 0.0)
    expected = decode_file(save_mp3(convert_file(_float_wav(tmp_path, 0, channels=channels)))).samples
    np.testing.assert_array_equal(decode_file(save_mp3(job)).samples, expected)


@pytest.mark.parametrize("at", [0, RATE - 1])
def test_an_invalid_sample_may_be_the_first_or_the_last(
    convert_and_decode: ConvertAndDecode, tmp_path: Path, at: int
) -> None:
    assert len(convert_and_decode(_float_wav(tmp_path, np.nan, at=at)).samples) == RATE


@pytest.mark.parametrize("value", [np.nan, 1e300])
def test_an_invalid_sample_may_have_64_bits(convert_and_decode: ConvertAndDecode, tmp_path: Path, value: float) -> None:
    sound = hiss(1, RATE, 2).astype(np.float64)
    sound[AT, 0] = value
    raw = tmp_path / "raw"
    sound.tofile(raw)
    file = ffmpeg(tmp_path / "a.wav", "-f", "f64le", "-ar", str(RATE), "-ac", "2", "-i", str(raw), "-c:a", "pcm_f64le")
    assert len(convert_and_decode(file).samples) == RATE


@pytest.mark.parametrize("value", INVALID)
def test_an_invalid_sample_does_not_change_the_loudness(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, value: float
) -> None:
    found = decode_file(save_mp3(convert_file(_float_wav(tmp_path, value), normalize="-16"))).samples
    expected = decode_file(save_mp3(convert_file(_float_wav(tmp_path, 0), normalize="-16"))).samples
    np.testing.assert_array_equal(found, expected)


def test_an_invalid_sample_becomes_silence_in_parallel_encoding_too(
    services: Services, convert_and_decode: ConvertAndDecode, tmp_path: Path
) -> None:
    services.settings = replace(services.settings, convert_concurrency=2)
    sound = hiss(60, RATE)
    sound[30 * RATE] = np.nan
    assert (
        len(convert_and_decode(write_sound(tmp_path / "a.wav", sound, RATE, "-c:a", "pcm_f32le")).samples) == 60 * RATE
    )


@pytest.mark.parametrize("level", [1e-6, 1.0, 100.0])
def test_float_samples_of_any_level_are_kept(
    convert_and_decode: ConvertAndDecode, tmp_path: Path, level: float
) -> None:
    sound = hiss(1, RATE, 2, level=0.2 * level)
    found = convert_and_decode(write_sound(tmp_path / "a.wav", sound, RATE, "-c:a", "pcm_f32le")).samples
    if level == 1.0:
        assert_same_sound(found, sound)
    assert len(found) == RATE


def test_a_header_frame_rejects_a_length_that_its_frames_cannot_have(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path
) -> None:
    mp3 = save_mp3(convert_file(_float_wav(tmp_path, 0))).read_bytes()
    bare = tmp_path / "bare.mp3"
    bare.write_bytes(mp3[10 + (mp3[6] << 21 | mp3[7] << 14 | mp3[8] << 7 | mp3[9]) :])  # ID3v2.4, section 3.1
    with bare.open("rb") as file:
        header = HeaderFrame.of(next(read_frames(file)))
    for samples in (RATE + 10_000, RATE - 10_000):
        with pytest.raises(NotMp3):
            header.with_length(samples)


def test_sound_above_0_lufs_is_normalized(convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path) -> None:
    sound = hiss(4, RATE, 2, level=2.0)
    file = write_sound(tmp_path / "a.wav", sound, RATE, "-c:a", "pcm_f32le")
    job = convert_file(file, normalize="-16")
    assert (job.state, job.error) == (State.READY, None)
    found = decode_file(save_mp3(job)).samples
    assert len(found) == len(sound)
    quieter = decode_file(
        save_mp3(convert_file(write_sound(file, sound / 20, RATE, "-c:a", "pcm_f32le"), normalize="-16"))
    ).samples
    assert rms_levels(found) == pytest.approx(rms_levels(quieter), rel=0.12)  # 1 dB
