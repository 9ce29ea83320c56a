"""The list of a track's packets gives its exact length, and how its times deviate from its sound."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import pytest

from functions.convert.probe.packets import Packets, read_packets, read_trim

RATE = 44100
HEAD = "#software: Lavf\n#tb 0: 1/{}\n#media_type 0: audio\n"


def _line(start: int, duration: int = 1152, size: int = 400, rest: str = "") -> str:
    return f"0, {start:10}, {start:10}, {duration:8}, {size:8}, 0x1234abcd{rest}\n"


def _trim(skip: int = 0, discard: int = 0) -> str:
    """Return what FFmpeg prints of the numbers of samples that are cut off; its Adler-32 starts with 0."""
    content = struct.pack("<IIBB", skip, discard, 0, 0)
    weighted, total = divmod(zlib.adler32(content, 0), 2**16)
    return f", S=1, Skip Samples, {len(content):8}, 0x{weighted << 16 | total:08x}"


def _read(*lines: str, clock: int = RATE, codec: str = "mp3") -> Packets:
    return read_packets(BytesIO((HEAD.format(clock) + "".join(lines)).encode()), codec, RATE)


@pytest.mark.parametrize("samples", [0, 1, 255, 256, 529, 1105, 2**15, 2**16 - 1])
def test_the_samples_that_are_cut_off_follow_from_their_checksum(samples: int) -> None:
    lines = (_line(-samples, rest=_trim(samples)), *(_line(1152 * n - samples) for n in range(1, 99)))
    packets = _read(*lines, _line(1152 * 99 - samples, rest=_trim(0, samples)))
    assert (packets.skip, packets.discard, packets.is_regular) == (samples, samples, True)
    assert packets.samples == max(0, 100 * 1152 - 2 * samples)
    assert packets.start == pytest.approx(0)
    assert packets.deviation == pytest.approx(0)


def test_samples_cut_off_at_both_ends_of_one_packet_or_in_the_middle_are_irregular() -> None:
    both = zlib.adler32(struct.pack("<IIBB", 300, 400, 0, 0), 0)
    assert read_trim(both) is None
    for lines in (
        (_line(0, rest=_trim(1105).replace(_trim(1105)[-8:], f"{both:08x}")),),
        (_line(0), _line(1152, rest=_trim(1105)), _line(2304)),
        (_line(0), _line(1152, rest=_trim(0, 300)), _line(2304)),
    ):
        assert not _read(*lines).is_regular


@pytest.mark.parametrize(("skip", "discard"), [(312, 8), (1, 1030), (105, 0), (0, 500)])
def test_the_only_packet_of_a_track_is_irregular_if_it_is_trimmed(skip: int, discard: int) -> None:
    assert not _read(_line(0, rest=_trim(skip, discard))).is_regular


def test_a_track_is_uniform_unless_its_configuration_changes() -> None:
    head, new = "#extradata 0:        5, 0x0366015d\n", ", S=1, New Extradata,        5, 0x{}"
    assert _read(head, _line(0), _line(1152, rest=new.format("0366015d")), _line(2304)).is_uniform
    assert not _read(head, _line(0), _line(1152, rest=new.format("054b01d6")), _line(2304)).is_uniform
    assert not _read(_line(0), _line(1152, rest=new.format("054b01d6")), _line(2304)).is_uniform
    assert not _read(_line(0), _line(1152, rest=", S=1, Param Change,        8, 0x00000000")).is_uniform


def test_durations_whose_sum_would_exceed_64_bits_are_irregular() -> None:
    assert not _read(*(_line(0, duration=10**18 - 1) for _ in range(12))).is_regular


@pytest.mark.parametrize(
    "line", [_line(1152, rest=", F=0x3"), _line(1152).replace("1152,", "NOPTS,", 1), "0, 1\n", "\n", "junk\n"]
)
def test_a_damaged_or_unreadable_packet_is_irregular(line: str) -> None:
    assert _read(_line(0), _line(1152)).is_regular
    assert not _read(_line(0), line, _line(2304)).is_regular


def test_first_packets_may_be_dropped_as_a_whole() -> None:
    dropped = ", F=0x5"
    for skip, count, expected in ((1152, 1, 1152), (2000, 1, 2000), (1000, 1, 1152), (1152, 2, 2304)):
        first = _line(-skip, rest=dropped + _trim(skip))
        more = [_line(1152 * n - skip, rest=dropped if n < count else "") for n in range(1, 9)]
        packets = _read(first, *more)
        assert (packets.is_regular, packets.skip) == (True, expected)
    assert not _read(_line(0, rest=_trim(2304)), _line(1152), _line(2304, rest=dropped)).is_regular


def test_frames_are_longer_than_a_coarse_clock_says() -> None:
    steady = _read(*(_line(round(n * 26.122), 26) for n in range(1000)), clock=1000)
    assert (steady.frame, steady.samples) == (1152, 1_152_000)
    assert steady.deviation == pytest.approx(0, abs=0.001)
    fast = _read(*(_line(round(n * 26), 26) for n in range(1000)), clock=1000)
    assert fast.deviation == pytest.approx(0.122, abs=0.001)


def test_a_gap_and_an_overlap_are_deviations() -> None:
    for shift in (5000, -5000):
        packets = _read(*(_line(n * 1152 + (shift if n > 50 else 0)) for n in range(100)))
        assert packets.deviation == pytest.approx(5000 / RATE)
        assert packets.end == pytest.approx((100 * 1152 + shift) / RATE)


def test_packets_of_other_durations_are_added_up() -> None:
    packets = _read(_line(0, 960), _line(960, 480), _line(1440, 2880), codec="opus")
    assert (packets.frame, packets.samples, packets.deviation) == (None, 4320, 0)


def test_an_empty_list_has_no_packets() -> None:
    assert not read_packets(BytesIO(), "mp3", RATE)
