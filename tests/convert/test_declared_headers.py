"""The headers of AVI and ASF declare a duration; other files declare none."""

from __future__ import annotations

import struct

import pytest

from functions.convert.probe.declared_duration import UNKNOWN, DeclaredDuration
from tests.convert.headers import make_chunk, read_declared


def _avi(kind: bytes = b"avih", microseconds: int = 40_000, pictures: int = 250) -> bytes:
    header = struct.pack("<I12xI", microseconds, pictures) + bytes(36)
    return b"RIFF" + bytes(4) + b"AVI LIST" + bytes(4) + b"hdrl" + make_chunk(kind, header)


def test_an_avi_declares_its_pictures_and_their_duration() -> None:
    assert read_declared(_avi()) == DeclaredDuration(10.0)
    assert read_declared(_avi(microseconds=1, pictures=1)) == DeclaredDuration(0.000001)
    for unknown in (_avi(b"strh"), _avi(pictures=0), _avi()[:51]):
        assert read_declared(unknown) == UNKNOWN
    assert read_declared(_avi()[:52]) == DeclaredDuration(10.0)


def _asf_object(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<Q", 24 + len(body)) + body


def _asf(*objects: bytes) -> bytes:
    return bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c").ljust(30, b"\7") + b"".join(objects)


def _properties(duration: int = 10**8, preroll: int = 0, flags: int = 2) -> bytes:
    body = bytes(40) + struct.pack("<Q8xQI", duration, preroll, flags) + bytes(12)
    return _asf_object(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"), body)


def test_an_asf_declares_its_duration_without_preroll_unless_broadcast() -> None:
    other = _asf_object(bytes(range(16)), b"odd")
    assert read_declared(_asf(_properties())) == DeclaredDuration(10.0)
    assert read_declared(_asf(other, other, _properties(preroll=3000), _properties(1))) == DeclaredDuration(7.0)
    for unknown in (
        _asf(_properties(flags=1)),
        _asf(_properties(flags=3)),
        _asf(_properties(preroll=10_000)),
        _asf(_properties(preroll=11_000)),
        _asf(_properties())[: 30 + 24 + 67],
        _asf(other),
        _asf(),
    ):
        assert read_declared(unknown) == UNKNOWN
    assert read_declared(_asf(_properties())[: 30 + 24 + 68]) == DeclaredDuration(10.0)


@pytest.mark.parametrize("content", [b"", b"\xff", b"ID3", b"\xff\xfb\x90\0", b"fLaC" + bytes(100), bytes(100)])
def test_a_short_file_or_another_format_declares_nothing(content: bytes) -> None:
    assert read_declared(content) == UNKNOWN
