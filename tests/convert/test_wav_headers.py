"""The header of a WAV is read to the byte: what it declares, what contradicts it, and where it is truncated."""

from __future__ import annotations

import struct

import pytest

from functions.convert.probe.declared_duration import UNKNOWN, DeclaredDuration
from tests.convert.headers import DATA_BYTES, NOT_CREDIBLE, make_chunk, read_declared


def _format(
    coding: int = 1, channels: int = 2, rate: int = 1000, block: int = 4, bits: int = 16, rest: bytes = b""
) -> bytes:
    return make_chunk(b"fmt ", struct.pack("<HHIIHH", coding, channels, rate, 7, block, bits) + rest)


def _wave(*chunks: bytes, outer: int | None = None, form: bytes = b"WAVE") -> bytes:
    body = form + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if outer is None else outer) + body


def _data(size: int = DATA_BYTES, declared: int | None = None) -> bytes:
    return make_chunk(b"data", bytes(size), declared)


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [
        (_format(), 10.0),
        (_format(3, 1, 1000, 4, 32), 10.0),
        (_format(6, 1, 1000, 1, 8), 40.0),
        (_format(7, 2, 500, 2, 8), 40.0),
        (_format(1, 1, 1000, 3, 20), DATA_BYTES / 3000),
        (_format(1, 1, 1000, 3, 17), DATA_BYTES / 3000),
        (_format(1, 1, 1000, 1, 1), 40.0),
        (_format(0xFFFE, rest=b"\x16\0\x10\0" + bytes(4) + b"\1\0" + bytes(14)), 10.0),
        (_format(0xFFFE, rest=b"\x16\0\x10\0" + bytes(4) + b"\2\0" + bytes(14)), None),
        (_format(2), None),
        (_format(0x55), None),
        (_format(block=5), None),
        (_format(bits=17), None),
        (_format(rate=0), None),
        (_format(rate=0) + _format(), 10.0),
        (_format() + _format(rate=2000), 10.0),
        (make_chunk(b"LIST", b"odd") + _format(), 10.0),
        (b"", None),
    ],
)
def test_a_wav_declares_its_size_and_its_bytes_per_second(kind: bytes, seconds: float | None) -> None:
    assert read_declared(_wave(kind, _data())) == DeclaredDuration(seconds)


def test_a_wav_without_a_format_before_its_sound_declares_nothing() -> None:
    assert read_declared(_wave(_data(), _format())) == UNKNOWN
    assert read_declared(_wave(_format())) == UNKNOWN
    whole = _wave(_format(), _data())
    assert read_declared(whole[:44]) == DeclaredDuration(10.0)  # all but the header is cut off
    for end in (10, 12, 20, 35, 43):
        assert read_declared(whole[:end]) == UNKNOWN
    assert read_declared(whole, 30) == UNKNOWN
    assert read_declared(_wave(make_chunk(b"fmt ", bytes(3)), _data(), form=b"WAVX")) == UNKNOWN


@pytest.mark.parametrize("known", [0x7F000000, 2**31, 2**32])
def test_a_size_near_a_placeholder_is_not_credible(known: int) -> None:
    for distance, credible in ((-65537, True), (-65536, False), (0, False), (65536, False), (65537, True)):
        if known + distance < 2**32:
            wave = _wave(_format(), _data(0, known + distance), outer=2**32 - 1)
            assert read_declared(wave) == (DeclaredDuration((known + distance) / 4000) if credible else NOT_CREDIBLE)


def test_sound_that_exceeds_the_riff_chunk_is_not_credible() -> None:
    inside = 4 + 24 + 8 + DATA_BYTES
    for outer, expected in (
        (inside, DeclaredDuration(10.0)),
        (inside + 1, DeclaredDuration(10.0)),
        (inside - 1, NOT_CREDIBLE),
        (1, NOT_CREDIBLE),
        (0, DeclaredDuration(10.0)),
        (2**31, DeclaredDuration(10.0)),
    ):
        assert read_declared(_wave(_format(), _data(), outer=outer)) == expected
    assert read_declared(_wave(_format(), _data(0, 0))) == NOT_CREDIBLE


def test_a_long_wav_declares_its_sizes_in_ds64() -> None:
    sizes, none = make_chunk(b"ds64", struct.pack("<QQ", 2**40, 2**36)), 2**32 - 1
    long = DeclaredDuration(2**36 / 4000)
    assert read_declared(_wave(sizes, _format(), _data(0, none), outer=none)) == long
    second = make_chunk(b"ds64", struct.pack("<QQ", 2**41, 2**37))
    assert read_declared(_wave(sizes, second, _format(), _data(0, none), outer=none)) == long
    assert read_declared(_wave(sizes, _format(), _data(), outer=none)) == DeclaredDuration(10.0)
    assert read_declared(_wave(_format(), _data(0, none), outer=none)) == NOT_CREDIBLE
    short = make_chunk(b"ds64", struct.pack("<QQ", 2**35, 2**36))
    assert read_declared(_wave(short, _format(), _data(0, none), outer=none)) == NOT_CREDIBLE
