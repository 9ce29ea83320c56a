"""An MP3 whose header declares more frames than fit into the file is not credible."""

from __future__ import annotations

import struct

import pytest

from functions.convert.probe.declared_duration import UNKNOWN
from tests.convert.headers import NOT_CREDIBLE, read_declared

# Header, bytes of side information (MPEG-1: 32, mono 17; else 17, mono 9), and bytes of the shortest frame, which are
# 144 * 32 000 bit/s / rate in MPEG-1 and 72 * 8000 bit/s / rate else, rounded down: at 44.1, 44.1, 48, 22.05 and 8 kHz.
KINDS = [("fffb9000", 32, 104), ("fffb90c0", 17, 104), ("fffb9600", 32, 96), ("fff390c0", 9, 26), ("ffe3b800", 17, 72)]


def _xing(header: str, side: int, numbers: bytes, flags: int = 3, name: bytes = b"Xing") -> bytes:
    return bytes.fromhex(header) + bytes(side) + name + struct.pack(">I", flags) + numbers


@pytest.mark.parametrize(("header", "side", "least"), KINDS)
def test_the_frames_of_an_mp3_must_fit_into_its_declared_or_actual_bytes(header: str, side: int, least: int) -> None:
    def numbers(frames: int, size: int) -> bytes:
        return struct.pack(">II", frames, size)

    for name in (b"Xing", b"Info"):
        for size, credible in ((100 * least, True), (100 * least - 1, False)):
            expected = UNKNOWN if credible else NOT_CREDIBLE
            assert read_declared(_xing(header, side, numbers(100, size), name=name)) == expected
            frames_alone = _xing(header, side, numbers(100, 1), flags=1, name=name).ljust(size, b"\0")
            assert read_declared(frames_alone) == expected
            vbri = bytes.fromhex(header) + bytes(32) + b"VBRI" + bytes(6) + struct.pack(">II", size, 100)
            assert read_declared(vbri) == expected
    assert read_declared(_xing(header, side, numbers(100, 0)).ljust(100 * least)) == UNKNOWN
    assert read_declared(_xing(header, side, numbers(100, 0)).ljust(100 * least - 1)) == NOT_CREDIBLE
    # Without a count of frames the first number is the bytes.
    assert read_declared(_xing(header, side, numbers(2**31, 1), flags=2)) == UNKNOWN
    assert read_declared(_xing(header, side, numbers(2**31, 1), flags=0)) == UNKNOWN
    assert read_declared(_xing(header, side, numbers(2**31, 1), flags=4)) == UNKNOWN
    assert read_declared(_xing(header, side, numbers(2**31, 1), name=b"Xinf")) == UNKNOWN
    assert read_declared(_xing(header, side, numbers(2**31, 1))[:-1]) == UNKNOWN
    assert read_declared(_xing(header, side + 1, numbers(2**31, 1))) == UNKNOWN


@pytest.mark.parametrize(
    ("length", "sevens"),
    # Seven bits of each byte count, so "82ac" is "022c".
    [(0, "00000000"), (127, "0000007f"), (128, "00000100"), (300, "0000022c"), (20_000, "00011c20"),
     (300, "000082ac"), (2_100_000, "01001620")],
)  # fmt: skip
def test_tags_before_an_mp3_are_skipped_by_their_size(length: int, sevens: str) -> None:
    tag = b"ID3\4\0\0" + bytes.fromhex(sevens) + bytes(length)
    forged = _xing("fffb9000", 32, struct.pack(">II", 2**31, 1))
    assert read_declared(tag + forged) == NOT_CREDIBLE
    assert read_declared(tag + b"\0" + forged) == UNKNOWN
    if length < 1000:
        assert read_declared(10 * tag + forged) == NOT_CREDIBLE
        assert read_declared(11 * tag + forged) == UNKNOWN
