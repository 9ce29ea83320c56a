"""A header is read to the byte: what it declares, what contradicts it, and where it ends too early."""

from __future__ import annotations

import io
import math
import struct

import pytest

from functions.convert.probe.declared_duration import UNKNOWN, DeclaredDuration, declared_duration

NOT_CREDIBLE = DeclaredDuration(credible=False)
DATA = 40_000


def _declared(content: bytes, size: int | None = None) -> DeclaredDuration:
    """Return what a file declares; it is read from its beginning wherever it stands."""
    file = io.BytesIO(content)
    file.seek(len(content) // 2)
    return declared_duration(file, len(content) if size is None else size)


def _chunk(kind: bytes, body: bytes, size: int | None = None, order: str = "<") -> bytes:
    return struct.pack(f"{order}4sI", kind, len(body) if size is None else size) + body + bytes(len(body) % 2)


def _avi(kind: bytes = b"avih", microseconds: int = 40_000, pictures: int = 250) -> bytes:
    header = struct.pack("<I12xI", microseconds, pictures) + bytes(36)
    return b"RIFF" + bytes(4) + b"AVI LIST" + bytes(4) + b"hdrl" + _chunk(kind, header)


def test_an_avi_declares_its_pictures_and_the_time_of_each() -> None:
    assert _declared(_avi()) == DeclaredDuration(10.0)
    assert _declared(_avi(microseconds=1, pictures=1)) == DeclaredDuration(0.000001)
    for unknown in (_avi(b"strh"), _avi(pictures=0), _avi()[:51]):
        assert _declared(unknown) == UNKNOWN
    assert _declared(_avi()[:52]) == DeclaredDuration(10.0)


def _format(
    coding: int = 1, channels: int = 2, rate: int = 1000, block: int = 4, bits: int = 16, rest: bytes = b""
) -> bytes:
    return _chunk(b"fmt ", struct.pack("<HHIIHH", coding, channels, rate, 7, block, bits) + rest)


def _wave(*chunks: bytes, outer: int | None = None, form: bytes = b"WAVE") -> bytes:
    body = form + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if outer is None else outer) + body


def _data(size: int = DATA, declared: int | None = None) -> bytes:
    return _chunk(b"data", bytes(size), declared)


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [
        (_format(), 10.0),
        (_format(3, 1, 1000, 4, 32), 10.0),
        (_format(6, 1, 1000, 1, 8), 40.0),
        (_format(7, 2, 500, 2, 8), 40.0),
        (_format(1, 1, 1000, 3, 20), DATA / 3000),
        (_format(1, 1, 1000, 3, 17), DATA / 3000),
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
        (_chunk(b"LIST", b"odd") + _format(), 10.0),
        (b"", None),
    ],
)
def test_a_wav_declares_the_bytes_of_its_sound_and_how_many_a_second_has(kind: bytes, seconds: float | None) -> None:
    assert _declared(_wave(kind, _data())) == DeclaredDuration(seconds)


def test_a_wav_without_a_format_before_its_sound_declares_nothing() -> None:
    assert _declared(_wave(_data(), _format())) == UNKNOWN
    assert _declared(_wave(_format())) == UNKNOWN
    whole = _wave(_format(), _data())
    assert _declared(whole[:44]) == DeclaredDuration(10.0)  # all but the header is cut off
    for end in (10, 12, 20, 35, 43):
        assert _declared(whole[:end]) == UNKNOWN
    assert _declared(whole, 30) == UNKNOWN
    assert _declared(_wave(_chunk(b"fmt ", bytes(3)), _data(), form=b"WAVX")) == UNKNOWN


@pytest.mark.parametrize("known", [0x7F000000, 2**31, 2**32])
def test_a_size_next_to_one_that_writers_leave_is_not_credible(known: int) -> None:
    for distance, credible in ((-65537, True), (-65536, False), (0, False), (65536, False), (65537, True)):
        if known + distance < 2**32:
            wave = _wave(_format(), _data(0, known + distance), outer=2**32 - 1)
            assert _declared(wave) == (DeclaredDuration((known + distance) / 4000) if credible else NOT_CREDIBLE)


def test_sound_is_not_longer_than_its_chunk_unless_that_is_unknown() -> None:
    inside = 4 + 24 + 8 + DATA
    for outer, expected in (
        (inside, DeclaredDuration(10.0)),
        (inside + 1, DeclaredDuration(10.0)),
        (inside - 1, NOT_CREDIBLE),
        (1, NOT_CREDIBLE),
        (0, DeclaredDuration(10.0)),
        (2**31, DeclaredDuration(10.0)),
    ):
        assert _declared(_wave(_format(), _data(), outer=outer)) == expected
    assert _declared(_wave(_format(), _data(0, 0))) == NOT_CREDIBLE


def test_a_long_wav_has_its_sizes_elsewhere() -> None:
    sizes, none = _chunk(b"ds64", struct.pack("<QQ", 2**40, 2**36)), 2**32 - 1
    long = DeclaredDuration(2**36 / 4000)
    assert _declared(_wave(sizes, _format(), _data(0, none), outer=none)) == long
    second = _chunk(b"ds64", struct.pack("<QQ", 2**41, 2**37))
    assert _declared(_wave(sizes, second, _format(), _data(0, none), outer=none)) == long
    assert _declared(_wave(sizes, _format(), _data(), outer=none)) == DeclaredDuration(10.0)
    assert _declared(_wave(_format(), _data(0, none), outer=none)) == NOT_CREDIBLE
    short = _chunk(b"ds64", struct.pack("<QQ", 2**35, 2**36))
    assert _declared(_wave(short, _format(), _data(0, none), outer=none)) == NOT_CREDIBLE


def _common(
    frames: int = 10_000, channels: int = 2, bits: int = 16, rate: tuple[int, int] = (16383 + 9, 1000 << 54)
) -> bytes:
    """Return AIFF's chunk of the sound's shape; the rate is an exponent and a mantissa, of 1000 Hz."""
    return _chunk(b"COMM", struct.pack(">hIhHQ", channels, frames, bits, *rate), order=">")


def _sound(size: int = DATA, declared: int | None = None) -> bytes:
    return _chunk(b"SSND", bytes(size), declared, order=">")


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
        ((_chunk(b"NAME", b"odd", order=">"), _common(), _sound()), DeclaredDuration(10.0)),
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
    assert _declared(_aiff(*chunks)) == expected


def test_an_aiff_is_not_longer_than_its_form_chunk() -> None:
    inside = 4 + 26 + 8 + DATA
    assert _declared(_aiff(_common(), _sound(), outer=inside)) == DeclaredDuration(10.0)
    assert _declared(_aiff(_common(), _sound(), outer=inside - 1)) == NOT_CREDIBLE
    assert _declared(_aiff(_common(20_000), _sound(), form=b"AIFC")) == DeclaredDuration(20.0)
    assert _declared(_aiff(_common(), _sound(), form=b"AIFX")) == UNKNOWN


def _description(rate: float = 1000.0, packet_bytes: int = 4, packet_samples: int = 1) -> bytes:
    return _caf_chunk(b"desc", struct.pack(">d4sIII", rate, b"lpcm", 0, packet_bytes, packet_samples) + bytes(8))


def _caf_chunk(kind: bytes, body: bytes, size: int | None = None) -> bytes:
    return struct.pack(">4sq", kind, len(body) if size is None else size) + body


def _caf(*chunks: bytes) -> bytes:
    return b"caff\0\1\0\0" + b"".join(chunks)


CAF_DATA = _caf_chunk(b"data", bytes(4 + DATA))


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
def test_a_caf_declares_the_bytes_of_its_sound_and_the_time_of_each(
    chunks: tuple[bytes, ...], expected: DeclaredDuration
) -> None:
    assert _declared(_caf(*chunks)) == expected


def _asf_object(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<Q", 24 + len(body)) + body


def _asf(*objects: bytes) -> bytes:
    return bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c").ljust(30, b"\7") + b"".join(objects)


def _properties(duration: int = 10**8, preroll: int = 0, flags: int = 2) -> bytes:
    body = bytes(40) + struct.pack("<Q8xQI", duration, preroll, flags) + bytes(12)
    return _asf_object(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"), body)


def test_an_asf_declares_its_duration_without_preroll_unless_broadcast() -> None:
    other = _asf_object(bytes(range(16)), b"odd")
    assert _declared(_asf(_properties())) == DeclaredDuration(10.0)
    assert _declared(_asf(other, other, _properties(preroll=3000), _properties(1))) == DeclaredDuration(7.0)
    for unknown in (
        _asf(_properties(flags=1)),
        _asf(_properties(flags=3)),
        _asf(_properties(preroll=10_000)),
        _asf(_properties(preroll=11_000)),
        _asf(_properties())[: 30 + 24 + 67],
        _asf(other),
        _asf(),
    ):
        assert _declared(unknown) == UNKNOWN
    assert _declared(_asf(_properties())[: 30 + 24 + 68]) == DeclaredDuration(10.0)


# Header, bytes of side information (MPEG-1: 32, mono 17; else 17, mono 9), and bytes of the shortest frame, which are
# 144 * 32 000 bit/s / rate in MPEG-1 and 72 * 8000 bit/s / rate else, rounded down: at 44.1, 44.1, 48, 22.05 and 8 kHz.
KINDS = [("fffb9000", 32, 104), ("fffb90c0", 17, 104), ("fffb9600", 32, 96), ("fff390c0", 9, 26), ("ffe3b800", 17, 72)]


def _xing(header: str, side: int, numbers: bytes, flags: int = 3, name: bytes = b"Xing") -> bytes:
    return bytes.fromhex(header) + bytes(side) + name + struct.pack(">I", flags) + numbers


@pytest.mark.parametrize(("header", "side", "least"), KINDS)
def test_an_mp3_s_frames_fit_into_its_declared_or_actual_bytes(header: str, side: int, least: int) -> None:
    def numbers(frames: int, size: int) -> bytes:
        return struct.pack(">II", frames, size)

    for name in (b"Xing", b"Info"):
        for size, credible in ((100 * least, True), (100 * least - 1, False)):
            expected = UNKNOWN if credible else NOT_CREDIBLE
            assert _declared(_xing(header, side, numbers(100, size), name=name)) == expected
            frames_alone = _xing(header, side, numbers(100, 1), flags=1, name=name).ljust(size, b"\0")
            assert _declared(frames_alone) == expected
            vbri = bytes.fromhex(header) + bytes(32) + b"VBRI" + bytes(6) + struct.pack(">II", size, 100)
            assert _declared(vbri) == expected
    assert _declared(_xing(header, side, numbers(100, 0)).ljust(100 * least)) == UNKNOWN
    assert _declared(_xing(header, side, numbers(100, 0)).ljust(100 * least - 1)) == NOT_CREDIBLE
    # Without a count of frames the first number is the bytes.
    assert _declared(_xing(header, side, numbers(2**31, 1), flags=2)) == UNKNOWN
    assert _declared(_xing(header, side, numbers(2**31, 1), flags=0)) == UNKNOWN
    assert _declared(_xing(header, side, numbers(2**31, 1), flags=4)) == UNKNOWN
    assert _declared(_xing(header, side, numbers(2**31, 1), name=b"Xinf")) == UNKNOWN
    assert _declared(_xing(header, side, numbers(2**31, 1))[:-1]) == UNKNOWN
    assert _declared(_xing(header, side + 1, numbers(2**31, 1))) == UNKNOWN


@pytest.mark.parametrize(
    ("length", "sevens"),
    # Seven bits of each byte count, so "82ac" is "022c".
    [(0, "00000000"), (127, "0000007f"), (128, "00000100"), (300, "0000022c"), (20_000, "00011c20"),
     (300, "000082ac"), (2_100_000, "01001620")],
)  # fmt: skip
def test_tags_before_an_mp3_are_skipped_by_their_size(length: int, sevens: str) -> None:
    tag = b"ID3\4\0\0" + bytes.fromhex(sevens) + bytes(length)
    forged = _xing("fffb9000", 32, struct.pack(">II", 2**31, 1))
    assert _declared(tag + forged) == NOT_CREDIBLE
    assert _declared(tag + b"\0" + forged) == UNKNOWN
    if length < 1000:
        assert _declared(10 * tag + forged) == NOT_CREDIBLE
        assert _declared(11 * tag + forged) == UNKNOWN


@pytest.mark.parametrize("content", [b"", b"\xff", b"ID3", b"\xff\xfb\x90\0", b"fLaC" + bytes(100), bytes(100)])
def test_a_short_file_or_another_format_declares_nothing(content: bytes) -> None:
    assert _declared(content) == UNKNOWN
