"""An AAC stream whose configuration changes is recognized by the headers of its frames."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from functions.convert.probe.adts import has_one_configuration
from tests.factories.clips import ffmpeg


def _aac(folder: Path, rate: int, channels: int) -> bytes:
    sine = ("-f", "lavfi", "-i", f"sine=duration=0.5:sample_rate={rate}")
    return ffmpeg(folder / "part.aac", *sine, "-ac", str(channels), "-c:a", "aac").read_bytes()


@pytest.mark.parametrize(("rate", "channels", "expected"), [(44100, 2, True), (22050, 2, False), (44100, 1, False)])
def test_all_frames_must_have_the_same_rate_and_channels(
    tmp_path: Path, rate: int, channels: int, expected: bool
) -> None:
    stream = _aac(tmp_path, 44100, 2) + _aac(tmp_path, rate, channels)
    assert has_one_configuration(io.BytesIO(stream)) == expected


@pytest.mark.parametrize("stream", [b"", b"\xff", b"\xff\xf1\x50\x80\0\0\0", b"\xff\xf7\x50\x80\0\xe0\0", b"x" * 99])
def test_anything_else_has_no_configuration(stream: bytes) -> None:
    assert not has_one_configuration(io.BytesIO(stream))
