"""More than two channels are mixed to stereo with the coefficients of ITU-R BS.775, without clipping.

The coefficients are those of Rec. ITU-R BS.775-3, annex 4, table 2. In 7.1, each pair of surround channels is mixed
like the only pair of 5.1.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from tests.convert.conftest import ConvertAndDecode
from tests.convert.pcm import Samples, decode_file, hiss, rms_levels, write_sound

pytestmark = pytest.mark.media

RATE = 48000
HALF = math.sqrt(0.5)
MIX: dict[str, tuple[float, float]] = {
    "FL": (1, 0), "FR": (0, 1), "FC": (HALF, HALF), "LFE": (0, 0), "BC": (0.5, 0.5),
    "BL": (HALF, 0), "BR": (0, HALF), "SL": (HALF, 0), "SR": (0, HALF),
}  # fmt: skip
LAYOUTS: dict[str, str] = {
    "3.0": "FL FR FC",
    "quad": "FL FR BL BR",
    "4.0": "FL FR FC BC",
    "5.0": "FL FR FC BL BR",
    "5.0(side)": "FL FR FC SL SR",
    "5.1": "FL FR FC LFE BL BR",
    "5.1(side)": "FL FR FC LFE SL SR",
    "7.1": "FL FR FC LFE BL BR SL SR",
}
SLOT = RATE // 2


def _channels_in_turn(channels: list[str]) -> Samples:
    sound = np.zeros((SLOT * len(channels), len(channels)), np.float32)
    noise = hiss(0.5, RATE, level=0.1)[:, 0]
    for number in range(len(channels)):
        sound[number * SLOT : (number + 1) * SLOT, number] = noise
    return sound


@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_f32le"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_channel_is_mixed_with_its_coefficients(
    convert_and_decode: ConvertAndDecode, tmp_path: Path, layout: str, codec: str
) -> None:
    channels = LAYOUTS[layout].split()
    file = write_sound(tmp_path / "a.wav", _channels_in_turn(channels), RATE, "-c:a", codec, layout=layout)
    found = convert_and_decode(file).samples
    assert found.shape == (SLOT * len(channels), 2)
    for number, channel in enumerate(channels):
        middle = found[number * SLOT + SLOT // 5 : (number + 1) * SLOT - SLOT // 5]
        expected = [0.1 * share for share in MIX[channel]]
        # 3 % is 0.3 dB, the deviation that LAME may cause at V2, also on a silent side.
        assert rms_levels(middle) == pytest.approx(expected, abs=0.003), channel


@pytest.mark.parametrize(
    ("name", "codec", "layout"),
    [
        ("a.wav", "pcm_s16le", "quad"),
        ("a.wav", "pcm_s16le", "5.1"),
        ("a.wav", "pcm_f32le", "5.1(side)"),
        ("a.wav", "pcm_f32le", "7.1"),
        ("a.flac", "flac", "7.1"),
        ("a.m4a", "aac", "4.0"),
        ("a.m4a", "aac", "5.0"),
        ("a.m4a", "aac", "5.1"),
        ("a.ac3", "ac3", "5.1(side)"),
    ],
)
def test_a_downmix_of_channels_at_full_scale_does_not_clip(
    convert_and_decode: ConvertAndDecode, tmp_path: Path, name: str, codec: str, layout: str
) -> None:
    channels = LAYOUTS[layout].split()
    loudness = np.array([0.5 if channel.endswith("R") else 1.0 for channel in channels], np.float32)
    tone = np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE).astype(np.float32)
    file = write_sound(tmp_path / name, tone[:, None] * loudness, RATE, "-c:a", codec, "-b:a", "640k", layout=layout)
    found = convert_and_decode(file).samples
    assert np.abs(found).max() <= 1
    middle = found[RATE // 2 : -RATE // 2]
    left, right = rms_levels(middle)
    source = decode_file(file).samples[RATE // 2 : -RATE // 2]
    expected = rms_levels(source @ np.array([MIX[channel] for channel in channels], np.float32))
    assert left / right == pytest.approx(expected[0] / expected[1], rel=0.01)
    assert left > 0.5 * HALF, "attenuated more than necessary"
    assert _distortion(middle) < 0.03


def test_a_loud_passage_after_a_quiet_one_does_not_clip(convert_and_decode: ConvertAndDecode, tmp_path: Path) -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(3 * RATE) / RATE).astype(np.float32)
    tone[: int(2.8 * RATE)] *= 0.05
    file = write_sound(tmp_path / "a.wav", np.repeat(tone[:, None], 6, axis=1), RATE, "-c:a", "pcm_f32le", layout="5.1")
    found = convert_and_decode(file).samples
    assert 0.5 < np.abs(found).max() <= 1


def _distortion(samples: Samples) -> float:
    """Return the relative distortion of a 440 Hz tone, which is a quarter if it is clipped to half its amplitude."""
    angle = 2 * np.pi * 440 * np.arange(len(samples)) / RATE
    wave = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    fitted = wave @ np.linalg.lstsq(wave, samples, rcond=None)[0]
    return float(np.linalg.norm(samples - fitted) / np.linalg.norm(samples))
