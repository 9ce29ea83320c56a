"""The headers of AIFF and CAF are read to the byte: what they declare, and what contradicts it."""

from __future__ import annotations

import math
import struct

import pytest

from functions.convert.probe.declared_duration import UNKNOWN, DeclaredDuration
from tests.convert.headers import DATA_BYTES, NOT_CREDIBLE, make_chunk, read_declared


def _common(
    frames: int = 10_000, channels: int = 2, bits: int = 16, rate: tuple[int, int] = (16383 + 9, 1000 << 54)
) -> bytes:
    """Return AIFF's chunk of the sound's shape; the rate is an exponent and a mantissa, of 1000 Hz."""
    return make_chunk(b"COMM", struct.pack(">hIhHQ", channels, frames, bits, *rate), order=">")


def _sound(size: int = DATA_BYTES, declared: int | None = None) -> bytes:
    return make_chunk(b"SSND", bytes(size), declared, order=">")


def _aiff(*chunks: bytes, form: bytes = b"AIFF", outer: int | None = None) -> bytes:
    body = form + b"".join(chunks)
    return b"FORM" + struct.pack(">I", len(body) if outer is None else outer) + body


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ((_common(), _sound()), DeclaredDuration(10.0)),
        ((_sound(), _common()), DeclaredDuration(10.0)),
        ((_common(10_001), _sound()), NOT_CREDIBLE),
        ((_common(13_334, 1, 20), _sound()), NOT_CREDIBLE),
        ((_common(13_334, 1, 17), _sound()), NOT_CREDIBLE),
        ((_common(13_333, 1, 20), _sound()), DeclaredDuration(13.333)),
        ((_common(0), _sound()), UNKNOWN),
        ((_common(),), UNKNOWN),
        ((_sound(),), UNKNOWN),
        ((_common(), _common(20_000), _sound()), DeclaredDuration(10.0)),
        ((_common(), _sound(), _sound(2)), DeclaredDuration(10.0)),
        ((make_chunk(b"NAME", b"odd", order=">"), _common(), _sound()), DeclaredDuration(10.0)),
        ((_common(rate=(16383, 1 << 63)), _sound()), DeclaredDuration(10_000.0)),
        ((_common(rate=(16383 + 31, 1 << 63)), _sound()), DeclaredDuration(10_000 / 2**31)),
        ((_common(rate=(16383 + 32, 1 << 63)), _sound()), UNKNOWN),
        ((_common(rate=(16383 - 1, 1 << 63)), _sound()), UNKNOWN),
        ((_common(rate=(16383 + 9, 0)), _sound()), UNKNOWN),
        ((_common(), _sound(0, 0)), NOT_CREDIBLE),
        ((_common(), _sound(0, 2**31)), NOT_CREDIBLE),
    ],
)
def test_an_aiff_declares_its_samples_and_their_rate(chunks: tuple[bytes, ...], expected: DeclaredDuration) -> None:
    assert read_declared(_aiff(*chunks)) == expected


def test_an_aiff_that_exceeds_its_form_chunk_is_not_credible() -> None:
    inside = 4 + 26 + 8 + DATA_BYTES
    assert read_declared(_aiff(_common(), _sound(), outer=inside)) == DeclaredDuration(10.0)
    assert read_declared(_aiff(_common(), _sound(), outer=inside - 1)) == NOT_CREDIBLE
    assert read_declared(_aiff(_common(20_000), _sound(), form=b"AIFC")) == DeclaredDuration(20.0)
    assert read_declared(_aiff(_common(), _sound(), form=b"AIFX")) == UNKNOWN


def _description(rate: float = 1000.0, packet_bytes: int = 4, packet_samples: int = 1) -> bytes:
    return _caf_chunk(b"desc", struct.pack(">d4sIII", rate, b"lpcm", 0, packet_bytes, packet_samples) + bytes(8))


def _caf_chunk(kind: bytes, body: bytes, size: int | None = None) -> bytes:
    return struct.pack(">4sq", kind, len(body) if size is None else size) + body


def _caf(*chunks: bytes) -> bytes:
    return b"caff\0\1\0\0" + b"".join(chunks)


CAF_DATA = _caf_chunk(b"data", bytes(4 + DATA_BYTES))


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ((_description(), CAF_DATA), DeclaredDuration(10.0)),
        ((_description(packet_samples=8), CAF_DATA), DeclaredDuration(80.0)),
        ((_caf_chunk(b"free", b"odd"), _description(), CAF_DATA), DeclaredDuration(10.0)),
        ((_description(), _description(2000.0), CAF_DATA), DeclaredDuration(10.0)),
        ((_description(packet_bytes=0), _description(), CAF_DATA), UNKNOWN),
        ((_description(packet_bytes=0), CAF_DATA), UNKNOWN),
        ((_description(packet_samples=0), CAF_DATA), UNKNOWN),
        ((_description(math.nan, packet_bytes=0), CAF_DATA), UNKNOWN),
        ((CAF_DATA, _description()), UNKNOWN),
        ((_description(),), UNKNOWN),
        ((_description(1.0), CAF_DATA), DeclaredDuration(10_000.0)),
        ((_description(1e9), CAF_DATA), DeclaredDuration(1e-5)),
        *(((_description(rate), CAF_DATA), NOT_CREDIBLE) for rate in (0.99, 1.01e9, 0.0, -1000.0, math.nan, math.inf)),
        *(((_description(), _caf_chunk(b"data", b"", size)), NOT_CREDIBLE) for size in (-1, 4, 3, 2**31, 2**32 + 4)),
        ((_description(), _caf_chunk(b"data", b"", 5)), DeclaredDuration(0.00025)),
        ((_description(), _caf_chunk(b"data", b"", 2**40 + 4)), DeclaredDuration(2**40 / 4000)),
    ],
)
def test_a_caf_declares_its_size_and_the_duration_of_a_packet(
    chunks: tuple[bytes, ...], expected: DeclaredDuration
) -> None:
    assert read_declared(_caf(*chunks)) == expected
