"""The configuration of an AAC track determines how many samples each frame has."""

from __future__ import annotations

import pytest

from functions.convert.formats.mp4_aac import AacConfiguration, read_configuration


def _description(configuration: str, tag: int = 5) -> bytes:
    """Return a sample description with a configuration in hexadecimal, laid out as FFmpeg does."""
    return (
        b"stsd mp4a esds"
        + bytes(30)
        + bytes([tag, 0x80, 0x80, 0x80, len(configuration) // 2])
        + bytes.fromhex(configuration)
    )


@pytest.mark.parametrize(
    ("configuration", "rate", "frame"),
    [
        ("1210", 44100, 1024),
        ("1190", 48000, 1024),
        ("1214", 44100, 960),
        ("2b920800", 22050, 1024),  # HE-AAC
        ("2b920a00", 22050, 960),
        ("eb8a0800", 22050, 1024),  # HE-AAC v2
        ("17800f9a10", 7988, 1024),  # a rate that has no number
    ],
)
def test_the_rate_and_the_samples_of_a_frame_are_read(configuration: str, rate: int, frame: int) -> None:
    assert read_configuration(_description(configuration)) == AacConfiguration(rate, frame)


@pytest.mark.parametrize(
    "description", [b"", b"esds", _description("1210", tag=6), _description(""), _description("1690")]
)
def test_a_reserved_rate_or_another_layout_is_unknown(description: bytes) -> None:
    assert read_configuration(description) is None
