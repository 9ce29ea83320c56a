"""Repacked frames have the same sound, in no more bytes than LAME needs with the bit reservoir."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastcrc import crc16

from functions.convert.encode.parallel.repacking import repack
from functions.convert.formats.mp3_frames import HeaderFrame, NotMp3, read_frames
from functions.convert.plan.plan import Plan
from soundlift.common.audio.mp3_rates import SAMPLE_RATES
from soundlift.common.audio.mpeg_audio import frame_length
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.process.ffmpeg import binary
from tests.convert.sounds import SOUNDS, encode_whole, make_sound_plan, write_wavs

pytestmark = pytest.mark.media

SECONDS = 8
# LAME's own frames differ a little: with the reservoir, a few have more data than a self-contained frame can hold.
MAX_RATIO_TO_LAME = 1.005
MAX_RATIO_TO_SELF_CONTAINED = 0.93  # of music, whose self-contained frames leave 8 to 10 % empty
MAX_SPAN_BYTES = 1440  # as in LAME's get_max_frame_buffer_size_by_constraint
MAX_READ_AHEAD = 90


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_wavs(tmp_path_factory.mktemp("sounds"), max(SAMPLE_RATES))


@dataclass(frozen=True)
class ParsedFrame:
    """A frame, parsed bit by bit as in ISO/IEC 11172-3 and 13818-3, section 2.4.1.7."""

    main_data_begin: int
    bits: int
    main_data: bytes
    rest: tuple[str, ...]
    """The header and side information without bit rate, padding and main_data_begin."""

    @classmethod
    def of(cls, frame: bytes) -> ParsedFrame:
        text = _bits(frame[:36])
        mpeg_1, mono = text[12] == "1", text[24:26] == "11"
        begin, private, scfsi, block = (9, 5 if mono else 3, 4 if mono else 8, 59) if mpeg_1 else (8, 2 - mono, 0, 63)
        blocks = (2 if mpeg_1 else 1) * (1 if mono else 2)
        starts = [32 + begin + private + scfsi + block * number for number in range(blocks)]
        end = starts[-1] + block
        assert text[22] == "0", "padding"
        return cls(
            main_data_begin=int(text[32 : 32 + begin], 2),
            bits=sum(int(text[start : start + 12], 2) for start in starts),
            main_data=frame[end // 8 :],
            rest=(text[:16], text[20:22], text[23:32], text[32 + begin : end]),
        )


def _bits(data: bytes) -> str:
    return format(int.from_bytes(data), f"0{8 * len(data)}b") if data else ""


def _read_sound(sequence: Sequence[bytes]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the sound of each frame, and assert that its data is within reach of a decoder and overlaps no other."""
    stream, end = b"", 0
    for frame in sequence:
        read = ParsedFrame.of(frame)
        begin = len(stream) - read.main_data_begin
        stream += read.main_data
        assert begin >= end
        assert read.main_data_begin + len(frame) <= MAX_SPAN_BYTES
        end = begin + (read.bits + 7) // 8
        assert end <= len(stream)
        yield read.rest, _bits(stream[begin:end])[: read.bits]


VERSIONS = {0xFB: "MPEG-1", 0xF3: "MPEG-2", 0xE3: "MPEG-2.5"}  # by the second byte of a frame of layer III
STEREO, MONO = 0, 3


def _capacities(kind: int, rate: int, mode: int) -> list[int]:
    """Return the bytes after the side information at each of the fourteen bit rates, without padding."""
    sides = (17, 32) if kind == 0xFB else (9, 17)
    return [
        frame_length(bytes((0xFF, kind, index << 4 | rate << 2))) - 4 - sides[mode != MONO] for index in range(1, 15)
    ]


def _make_frame(rng: random.Random, kind: int, rate: int, mode: int, size: int, index: int = 14) -> bytes:
    """Return a random self-contained frame with `size` bytes of main data, at one of the bit rates."""
    mpeg_1, mono = kind == 0xFB, mode == MONO
    begin, private, block = (9, (5 + 4) if mono else (3 + 8), 59) if mpeg_1 else (8, 2 - mono, 63)
    blocks = (2 if mpeg_1 else 1) * (1 if mono else 2)
    bits = max(0, 8 * size - rng.randrange(8))
    parts = [bits // blocks] * (blocks - 1)
    parts.append(bits - sum(parts))
    side = "0" * begin + format(rng.getrandbits(private), f"0{private}b")
    for part in parts:
        side += format(part, "012b") + format(rng.getrandbits(block - 12), f"0{block - 12}b")
    header = bytes((0xFF, kind, index << 4 | rate << 2 | rng.getrandbits(1), mode << 6 | rng.getrandbits(6)))
    capacity = _capacities(kind, rate, mode)[index - 1]
    return header + int(side, 2).to_bytes(len(side) // 8) + rng.randbytes(size).ljust(capacity, b"\x55")


def _frames(file: Path) -> tuple[HeaderFrame, list[bytes]]:
    with file.open("rb") as stream:
        header, *sound_frames = read_frames(stream)
    return HeaderFrame.of(header), sound_frames


def _plan(quality: int, rate: int, channels: int) -> Plan:
    options = AudioOptions(end=SECONDS, quality=quality, sample_rate=rate, channels=channels)
    return make_sound_plan(options, max(SAMPLE_RATES))


def _encode_self_contained(
    file: Path, folder: Path, quality: int = 2, rate: int = 44100, channels: int = 2
) -> list[bytes]:
    return _frames(encode_whole(file, _plan(quality, rate, channels), folder / "whole.mp3"))[1]


def _decoded(mp3: Path) -> bytes:
    command = [binary(), "-v", "warning", "-nostdin", "-i", str(mp3), "-f", "f32le", "-"]
    decoded = subprocess.run(command, check=True, capture_output=True)
    assert decoded.stderr == b""
    return decoded.stdout


@pytest.mark.parametrize(
    ("sound", "quality", "rate", "channels"),
    [
        *((sound, quality, 44100, 2) for sound in SOUNDS for quality in range(10)),
        *(("music", 2, rate, channels) for rate in SAMPLE_RATES for channels in (1, 2)),
        *((sound, 0, rate, 2) for sound in ("music", "noise") for rate in SAMPLE_RATES),
        *((sound, 9, rate, 1) for sound in ("silence", "noise") for rate in SAMPLE_RATES),
    ],
)
def test_repacked_frames_have_the_same_sound_and_are_as_small_as_lames(
    sounds: dict[str, Path], tmp_path: Path, sound: str, quality: int, rate: int, channels: int
) -> None:
    plan = _plan(quality, rate, channels)
    whole = encode_whole(sounds[sound], plan, tmp_path / "whole.mp3")
    header, original = _frames(whole)
    repacked = list(repack(original))
    assert list(_read_sound(repacked)) == list(_read_sound(original))

    sizes, music = [len(frame) for frame in repacked], b"".join(repacked)
    file = tmp_path / "packed.mp3"
    file.write_bytes(header.for_frames(sizes, SECONDS * rate, crc16.arc(music)).data + music)
    samples = _decoded(file)
    assert samples == _decoded(whole)
    assert len(samples) == SECONDS * rate * channels * 4

    with_reservoir = encode_whole(sounds[sound], plan, tmp_path / "reservoir.mp3", reservoir=True)
    assert sum(sizes) <= sum(map(len, _frames(with_reservoir)[1])) * MAX_RATIO_TO_LAME
    assert sum(sizes) <= sum(map(len, original))


@pytest.mark.parametrize("quality", range(10))
def test_music_in_self_contained_frames_repacks_well(sounds: dict[str, Path], tmp_path: Path, quality: int) -> None:
    original = _encode_self_contained(sounds["music"], tmp_path, quality)
    assert sum(map(len, repack(original))) <= sum(map(len, original)) * MAX_RATIO_TO_SELF_CONTAINED


@pytest.mark.parametrize("rate", SAMPLE_RATES)
@pytest.mark.parametrize("sound", ["silence", "noise"])
def test_frames_are_yielded_while_others_are_read(
    sounds: dict[str, Path], tmp_path: Path, sound: str, rate: int
) -> None:
    read = []

    def read_one_by_one() -> Iterator[bytes]:
        for frame in _encode_self_contained(sounds[sound], tmp_path, 9, rate):
            read.append(frame)
            yield frame

    for yielded, _ in enumerate(repack(read_one_by_one())):
        assert len(read) - yielded <= MAX_READ_AHEAD


@pytest.mark.parametrize(("rate", "maximum"), [(44100, 511), (22050, 255)])
def test_data_after_silence_begins_as_early_as_possible(
    sounds: dict[str, Path], tmp_path: Path, rate: int, maximum: int
) -> None:
    repacked = [ParsedFrame.of(frame) for frame in repack(_encode_self_contained(sounds["silence"], tmp_path, 9, rate))]
    assert max(frame.main_data_begin for frame in repacked) == maximum


def test_padding_is_removed_like_stuffing(sounds: dict[str, Path], tmp_path: Path) -> None:
    original = _encode_self_contained(sounds["music"], tmp_path)
    padded = [frame[:2] + bytes((frame[2] | 2,)) + frame[3:] + b"\0" for frame in original]
    assert list(repack(padded)) == list(repack(original))


def test_a_frame_that_is_not_self_contained_is_not_repacked(sounds: dict[str, Path], tmp_path: Path) -> None:
    original = _encode_self_contained(sounds["music"], tmp_path)
    borrowing = next(frame for frame in repack(original) if ParsedFrame.of(frame).main_data_begin)
    loud = max(original, key=lambda frame: ParsedFrame.of(frame).bits)
    cut_off = loud[: ParsedFrame.of(loud).bits // 8]
    with_checksum = bytes((loud[0], loud[1] & 0xFE)) + loud[2:]
    for frame in (borrowing, cut_off, with_checksum):
        with pytest.raises(NotMp3):
            list(repack([original[0], frame]))


@pytest.mark.parametrize("mode", [STEREO, MONO])
@pytest.mark.parametrize("rate", range(3))
@pytest.mark.parametrize("kind", VERSIONS, ids=VERSIONS.get)
def test_each_repacked_frame_is_as_short_as_possible(kind: int, rate: int, mode: int) -> None:
    rng, capacities = random.Random(rate), _capacities(kind, rate, mode)
    # Loud and silent frames, in runs, and some that fill a frame of one of the bit rates exactly.
    maximum = min(capacities[-1], 4095 * (2 if kind == 0xFB else 1) * (1 if mode == MONO else 2) // 8)
    fitting = [capacity for capacity in capacities if capacity <= maximum]
    sizes = [0] * 12 + [maximum] * 6 + [rng.choice([0, maximum, *fitting, rng.randrange(maximum)]) for _ in range(200)]
    original = [_make_frame(rng, kind, rate, mode, size) for size in sizes]
    repacked = list(repack(original))
    assert list(_read_sound(repacked)) == list(_read_sound(original))

    max_begin, filled, used = 511 if kind == 0xFB else 255, 0, 0
    for frame in repacked:
        read = ParsedFrame.of(frame)
        spare, capacity, size = filled - used, len(read.main_data), (read.bits + 7) // 8
        assert read.main_data_begin == min(spare, max_begin, MAX_SPAN_BYTES - len(frame))
        shorter = [other for other in capacities if other < capacity]
        assert all(other < size - min(spare, max_begin) for other in shorter)
        assert capacities[int(_bits(frame[:4])[16:20], 2) - 1] == capacity
        used = filled - read.main_data_begin + size
        filled += capacity


@pytest.mark.parametrize("kind", VERSIONS, ids=VERSIONS.get)
def test_full_frames_are_yielded_immediately_and_others_at_the_end(kind: int) -> None:
    rng, capacities, read = random.Random(1), _capacities(kind, 0, MONO), []

    def read_one_by_one() -> Iterator[bytes]:
        for size in (capacities[3], capacities[2], 0, 0, 0):
            read.append(size)
            yield _make_frame(rng, kind, 0, MONO, size)

    assert [len(read) for _ in repack(read_one_by_one())] == [1, 2, 5, 5, 5]
    assert list(repack([])) == []


@pytest.mark.parametrize("mode", [STEREO, MONO])
@pytest.mark.parametrize("kind", VERSIONS, ids=VERSIONS.get)
def test_the_maximum_data_of_a_self_contained_frame_is_repacked(kind: int, mode: int) -> None:
    rate = 1  # at 48 kHz, the length fields of four blocks can count all data of the largest frame
    rng, capacities = random.Random(1), _capacities(kind, rate, mode)
    index = next((index for index in range(14, 0, -1) if 8 * capacities[index - 1] <= 4095 * (2 - (mode == MONO))), 1)
    whole = _make_frame(rng, kind, rate, mode, capacities[index - 1], index)
    assert [ParsedFrame.of(frame).main_data for frame in repack([whole])] == [whole[-capacities[index - 1] :]]
    at, lowest_bit_of_begin = (5, 0x80) if kind == 0xFB else (4, 1)
    borrowing = whole[:at] + bytes((whole[at] | lowest_bit_of_begin,)) + whole[at + 1 :]
    with_checksum = bytes((0xFF, kind & 0xFE)) + whole[2:]
    for other in (whole[:-1], whole[:4], borrowing, with_checksum):
        with pytest.raises(NotMp3):
            list(repack([other]))


def test_data_in_the_padding_of_the_largest_frame_is_not_repacked() -> None:
    rng, kind, rate = random.Random(1), 0xFB, 1
    capacities = _capacities(kind, rate, STEREO)
    largest = _make_frame(rng, kind, rate, STEREO, capacities[-1])
    assert len(list(repack([largest + b"\0"]))) == 1
    with pytest.raises(NotMp3):
        list(repack([_make_frame(rng, kind, rate, STEREO, capacities[-1] + 1)]))
