"""Frames are read to the last byte, and a header frame accepts exactly the lengths that its frames can have."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from fastcrc import crc16

from functions.convert.failures import BROKEN, ConversionFailed
from functions.convert.formats.mp3 import MP3
from functions.convert.formats.mp3_frames import (
    PADDING_LIMIT,
    READ_BYTES,
    Header,
    HeaderFrame,
    NotMp3,
    read_frames,
    read_header,
)
from soundlift.common.options.audio_options import AudioOptions
from tests.convert.sounds import encode_whole, make_sound_plan
from tests.factories.clips import SINE, ffmpeg

SAMPLES, DELAY = (
    1152,
    576,
)  # samples of an MPEG-1 frame, and LAME's delay in its tag, without the 529 samples of decoders


@pytest.fixture(scope="module")
def mp3(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("mp3")
    sound = ffmpeg(folder / "a.wav", *SINE, "-ac", "2")
    return encode_whole(sound, make_sound_plan(AudioOptions()), folder / "a.mp3").read_bytes()


def test_the_frames_of_an_mp3_are_the_whole_file(mp3: bytes) -> None:
    found = list(read_frames(BytesIO(mp3)))
    assert b"".join(found) == mp3
    assert len(found) - 1 == int.from_bytes(mp3[44:48])  # Xing does not count its own frame
    assert list(read_frames(BytesIO())) == []


@pytest.mark.parametrize("suffix", [b"\0", b"\xff\xfb\x90", b"\xff\xfb\x90\0", b"TAG" + bytes(125)])
def test_bytes_after_the_last_frame_are_rejected(mp3: bytes, suffix: bytes) -> None:
    with pytest.raises(NotMp3):
        list(read_frames(BytesIO(mp3 + suffix)))


def test_an_incomplete_last_frame_is_rejected(mp3: bytes) -> None:
    with pytest.raises(NotMp3):
        list(read_frames(BytesIO(mp3[:-1])))


def test_a_length_is_written_if_its_padding_is_possible(mp3: bytes) -> None:
    header = HeaderFrame.at_start_of(BytesIO(mp3))
    longest = int.from_bytes(mp3[44:48]) * SAMPLES - DELAY
    for samples in (longest, longest - PADDING_LIMIT + 1):
        assert header.with_length(samples).samples == samples
    for samples in (longest + 1, longest - PADDING_LIMIT):
        with pytest.raises(NotMp3):
            header.with_length(samples)


# Layer III in ISO/IEC 11172-3 and 13818-3: 144 (72 in MPEG-2) times the bit rate divided by the sample rate, plus a
# byte of padding.
@pytest.mark.parametrize(
    ("header", "size", "samples", "rate", "side_information"),
    [
        ("fffb1000", 104, 1152, 44100, 32),
        ("fffbe200", 1045, 1152, 44100, 32),
        ("fffbe4c0", 960, 1152, 48000, 17),
        ("fffbe880", 1440, 1152, 32000, 32),
        ("fffa9040", 417, 1152, 44100, 32),
        ("fff310c0", 26, 576, 22050, 9),
        ("fff3e400", 480, 576, 24000, 17),
        ("ffe388bf", 576, 576, 8000, 17),
        ("ffe380ff", 417, 576, 11025, 9),
    ],
)
def test_a_header_declares_the_size_of_a_frame_and_its_side_information(
    header: str, size: int, samples: int, rate: int, side_information: int
) -> None:
    assert read_header(bytes.fromhex(header)) == Header(size, samples, rate, side_information)


@pytest.mark.parametrize(
    "header",
    # Truncated; misaligned by a bit; reserved version; layers II, I and reserved; free and forbidden bit rate; reserved
    # sample rate.
    ["", "fffb90", "fefb9000", "ffdb9000", "ffeb9000", "fffd9000", "ffff9000", "fff99000", "fffb0000", "fffbf000",
     "fffb9c00"],
)  # fmt: skip
def test_bytes_that_are_not_a_frame_header_are_rejected(header: str) -> None:
    with pytest.raises(NotMp3):
        read_header(bytes.fromhex(header))


def test_a_file_is_read_correctly_in_pieces_of_any_size(mp3: bytes) -> None:
    class Slow(BytesIO):
        max_size = 0

        def read(self, size: int | None = -1) -> bytes:
            self.max_size = max(self.max_size, -1 if size is None else size)
            return super().read(min(7, self.max_size))

    file = Slow(mp3)
    assert list(read_frames(file)) == list(read_frames(BytesIO(mp3)))
    assert file.max_size == READ_BYTES


@pytest.mark.parametrize("name", [b"Xing", b"Info"])
def test_a_header_frame_has_its_name_and_space_for_all_fields(name: bytes) -> None:
    frame = bytes.fromhex("fffb9000") + bytes(32) + name + bytes(152)
    assert HeaderFrame.of(frame).data == frame
    for other in (frame[:-1], frame.replace(name, b"VBRI"), frame[:35] + name + bytes(153), b""):
        with pytest.raises(NotMp3):
            HeaderFrame.of(other)
    with pytest.raises(NotMp3):
        HeaderFrame.at_start_of(BytesIO())


@pytest.mark.parametrize(("header", "tag", "samples"), [("fffb9000", 36, 1152), ("fff390c0", 13, 576)])
def test_a_header_frame_describes_other_frames_in_every_field(header: str, tag: int, samples: int) -> None:
    delay, rest = 1105, bytes(range(1, 137))
    frame = bytearray(bytes.fromhex(header).ljust(tag, b"\7") + b"Xing" + b"\0\0\0\x0f" + bytes(112) + rest[:36])
    frame = frame.ljust(read_header(bytes(frame)).size, b"\5")
    frame[tag + 141 : tag + 144] = (delay << 12 | 99).to_bytes(3)
    sizes = [200, 1000, *[100] * 48, *[300] * 50]
    length = len(sizes) * samples - delay - 700
    found = HeaderFrame.of(bytes(frame)).for_frames(sizes, length, 0xABCD)
    assert found.samples == length
    assert found.rate == (44100 if samples == 1152 else 22050)

    total = len(frame) + sum(sizes)
    expected = frame.copy()
    expected[tag + 8 : tag + 16] = (100).to_bytes(4) + total.to_bytes(4)
    starts = [0, len(frame)]
    for size in sizes:
        starts.append(starts[-1] + size)
    expected[tag + 16 : tag + 116] = bytes(256 * starts[101 * percent // 100] // total for percent in range(100))
    expected[tag + 141 : tag + 144] = (delay << 12 | 700).to_bytes(3)
    expected[tag + 148 : tag + 154] = total.to_bytes(4) + b"\xab\xcd"
    expected[tag + 154 : tag + 156] = crc16.arc(bytes(expected[: tag + 154])).to_bytes(2)
    assert found.data == bytes(expected)


def test_a_length_is_written_into_the_header_frame_and_nothing_else_changes(mp3: bytes, tmp_path: Path) -> None:
    file = tmp_path / "a.mp3"
    file.write_bytes(mp3)
    MP3.write_length(file, 0)
    assert file.read_bytes() == mp3
    samples = HeaderFrame.at_start_of(BytesIO(mp3)).samples - 1
    MP3.write_length(file, samples)
    written = file.read_bytes()
    header = HeaderFrame.at_start_of(BytesIO(written))
    assert header.samples == samples
    assert MP3.read_length(file) == samples / header.rate
    assert written[len(header.data) :] == mp3[len(header.data) :]


def test_a_file_without_a_header_frame_is_broken(mp3: bytes, tmp_path: Path) -> None:
    file = tmp_path / "a.mp3"
    file.write_bytes(mp3[len(HeaderFrame.at_start_of(BytesIO(mp3)).data) :])
    for use in (lambda: MP3.write_length(file, 1152), lambda: MP3.read_length(file)):
        with pytest.raises(ConversionFailed) as failed:
            use()
        assert failed.value.reason == BROKEN


def test_a_file_with_only_padding_has_no_length(mp3: bytes, tmp_path: Path) -> None:
    file = tmp_path / "a.mp3"
    header = HeaderFrame.at_start_of(BytesIO(mp3))
    file.write_bytes(header.for_frames([100], 0, 0).data)
    assert MP3.read_length(file) == 0
