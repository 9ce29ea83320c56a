"""The format `original` stores a track as it is, in the format that fits its codec."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from functions.convert.formats.raw import AC3, DTS, EAC3
from functions.convert.formats.raw_frames import (
    AC3_SYNC,
    DTS_SYNC,
    HEADER_BYTES,
    MAX_MISSES,
    Frame,
    ReadFrame,
    measure_seconds,
    read_ac3_frame,
    read_dts_frame,
)
from soundlift.common.jobs.model import State
from soundlift.common.process.ffmpeg import binary
from tests.convert.conftest import Convert, SaveMp3
from tests.factories.clips import PICTURE, ffmpeg

pytestmark = pytest.mark.media

RATE = 48000
SOUND = ("-f", "lavfi", "-i", "anoisesrc=d=1.5:r=48000:a=0.3")
JUNK = b"\x0b\x77\xff\xff\xff\xff\x7f\xfe\x80\x01" + bytes(20)  # looks like the beginnings of frames
SURROUND = ("-af", "aformat=cl=5.1(side)")
# A file's name, its audio codec with arguments, and the format, codec and channels of the copy.
CARRIED = [
    ("a.mp4", ("aac",), ("m4a", "aac", 1)),
    ("b.mp4", ("aac", *SURROUND), ("m4a", "aac", 6)),
    ("a.avi", ("libmp3lame",), ("mp3", "mp3", 1)),
    ("a.mkv", ("libopus",), ("opus", "opus", 1)),
    ("b.mkv", ("libvorbis",), ("ogg", "vorbis", 1)),
    ("a.mov", ("alac",), ("m4a", "alac", 1)),
    ("c.mkv", ("flac",), ("flac", "flac", 1)),
    ("d.mkv", ("pcm_s24le", *SURROUND), ("wav", "pcm_s24le", 6)),
    ("e.mkv", ("pcm_f64le",), ("wav", "pcm_f64le", 1)),
    ("b.mov", ("pcm_s16be",), ("wav", "pcm_s16le", 1)),
    ("c.mov", ("pcm_s24be", *SURROUND), ("wav", "pcm_s24le", 6)),
    ("d.mov", ("pcm_f32be",), ("wav", "pcm_f32le", 1)),
    ("e.mov", ("pcm_alaw",), ("wav", "pcm_alaw", 1)),
    ("a.aiff", ("pcm_s8",), ("wav", "pcm_u8", 1)),
    ("a.m2ts", ("pcm_bluray",), ("wav", "pcm_s24le", 1)),
    ("a.ts", ("ac3", *SURROUND), ("ac3", "ac3", 6)),
    ("c.ts", ("eac3", *SURROUND), ("eac3", "eac3", 6)),
    ("b.ts", ("dca", *SURROUND, "-strict", "experimental"), ("dts", "dts", 6)),
]


def _samples(file: Path, *arguments: str) -> bytes:
    """Return the decoded samples, one frame after another."""
    command = [binary(), "-v", "error", "-i", str(file), "-map", "0:a", *arguments, "-f", "f64le", "-"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def _source(folder: Path, name: str, codec: tuple[str, ...], *more: str) -> Path:
    picture = () if name.endswith(".aiff") else (*PICTURE, "-c:v", "mpeg2video", "-r", "25")
    return ffmpeg(folder / name, *SOUND, *picture, "-c:a", *codec, *more)


@pytest.mark.parametrize(("name", "codec", "expected"), CARRIED)
def test_a_track_is_stored_as_it_is(
    convert_file: Convert,
    save_mp3: SaveMp3,
    tmp_path: Path,
    name: str,
    codec: tuple[str, ...],
    expected: tuple[str, str, int],
) -> None:
    source = _source(tmp_path, name, codec)
    job = convert_file(source, format="original")
    assert (job.state, job.error) == (State.READY, None)
    assert job.audio is not None
    assert (job.audio.format, job.audio.codec, job.audio.channels) == expected
    assert (job.audio.copied, job.audio.sample_rate) == (True, RATE)
    file = save_mp3(job)
    assert file.suffix == f".{expected[0]}"
    samples = _samples(file)
    assert job.length == pytest.approx(len(samples) / 8 / expected[2] / RATE, abs=0.0011)
    assert samples == _samples(source)


@pytest.mark.parametrize(
    ("name", "codec", "message"),
    [
        (
            "a.wmv",
            ("wmav2",),
            "The track is Windows Media Audio 2 (wmav2), for which there is no file format here. Request mp3, m4a or "
            "opus instead of original.",
        ),
        (
            "a.mkv",
            ("truehd", "-af", "aformat=cl=stereo", "-strict", "experimental"),
            "The track is Dolby TrueHD (truehd), for which there is no file format here. Request flac or wav instead of"
            " original.",
        ),
    ],
)
def test_a_codec_that_no_format_can_carry_is_named(
    convert_file: Convert, tmp_path: Path, name: str, codec: tuple[str, ...], message: str
) -> None:
    job = convert_file(_source(tmp_path, name, codec), format="original")
    assert (job.state, job.error_code, job.error) == (State.FAILED, "no_container", message)


@pytest.mark.parametrize(("seed", "looks_like_a_frame"), [(0, False), (3, True)])
def test_ac3_with_swapped_bytes_cannot_be_copied(
    convert_file: Convert, tmp_path: Path, seed: int, looks_like_a_frame: bool
) -> None:
    noise = ("-f", "lavfi", "-i", f"anoisesrc=d=1.5:r=48000:a=0.3:seed={seed}")
    swapped = bytearray(ffmpeg(tmp_path / "a.ac3", *noise).read_bytes())
    swapped[::2], swapped[1::2] = swapped[1::2], swapped[::2]
    source = tmp_path / "swapped.ac3"
    source.write_bytes(swapped)
    assert (measure_seconds(source, AC3_SYNC, read_ac3_frame) > 0) == looks_like_a_frame
    job = convert_file(source, format="original")
    assert (job.state, job.error_code) == (State.FAILED, "cannot_copy")
    assert "AC-3 frames are in a form that needs another container" in str(job.error)


def test_samples_that_an_edit_list_excludes_are_left_out(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path
) -> None:
    whole = ffmpeg(tmp_path / "a.mov", *SOUND, "-c:a", "pcm_s16le")
    source = ffmpeg(tmp_path / "cut.mov", "-ss", "0.0123", "-t", "0.5", "-i", str(whole), "-c", "copy")
    assert _samples(whole).find(_samples(source)) > 0
    for output_format in ("original", "wav"):
        job = convert_file(source, format=output_format)
        assert job.audio is not None
        assert job.audio.copied
        assert _samples(save_mp3(job)) == _samples(source)


@pytest.mark.parametrize(("name", "codec", "packet"), [("a.mov", "pcm_s24be", 1024), ("a.mkv", "ac3", 1536)])
def test_a_part_is_cut_between_packets(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, name: str, codec: str, packet: int
) -> None:
    source = ffmpeg(tmp_path / name, *SOUND, "-c:a", codec)
    job = convert_file(source, format="original", start="0.5", end="1")
    assert job.audio is not None
    assert job.audio.cut_start is not None
    assert job.audio.cut_end is not None
    assert job.audio.cut_start == pytest.approx(0.5, abs=packet / RATE)
    assert job.audio.cut_end == pytest.approx(1, abs=packet / RATE)
    found = _samples(save_mp3(job))
    assert len(found) / 8 / RATE == pytest.approx(job.audio.cut_end - job.audio.cut_start, abs=0.002)
    if codec.startswith("pcm"):
        assert _samples(source).find(found) == round(job.audio.cut_start * RATE) * 8


def test_who_asks_for_a_wav_gets_linear_pcm(convert_file: Convert, tmp_path: Path) -> None:
    job = convert_file(_source(tmp_path, "a.mov", ("pcm_mulaw",)), format="wav")
    assert job.audio is not None
    assert (job.audio.codec, job.audio.copied) == ("pcm_s16le", False)


@pytest.mark.parametrize("rate", [32000, 44100, 48000])
def test_the_length_of_raw_frames_is_exact(tmp_path: Path, rate: int) -> None:
    """Decoders complete the last frame of AC-3 and E-AC-3, but not that of DTS."""
    for kind, codec in ((AC3, "ac3"), (EAC3, "eac3"), (DTS, "dca")):
        file = tmp_path / f"a{kind.facts.suffix}"
        content = ffmpeg(
            file, *SOUND, "-ar", str(rate), "-ac", "2", "-c:a", codec, "-strict", "experimental"
        ).read_bytes()
        whole = len(_samples(file)) / 16 / rate
        assert kind.read_length(file) == pytest.approx(whole, abs=1e-9)
        file.write_bytes(JUNK + content)
        assert kind.read_length(file) == pytest.approx(whole, abs=1e-9)
        file.write_bytes(content + content[:300])
        decoded = len(_samples(file)) / 16 / rate
        assert (decoded > whole) == kind.conceals_incomplete
        assert kind.read_length(file) == pytest.approx(decoded, abs=1e-9)


def test_dts_is_measured_in_any_packing(tmp_path: Path) -> None:
    file = ffmpeg(tmp_path / "a.dts", *SOUND, "-ac", "2", "-c:a", "dca", "-strict", "experimental")
    header = file.read_bytes()[:HEADER_BYTES]
    frame = read_dts_frame(header)
    assert frame is not None
    swapped = b"".join(header[at : at + 2][::-1] for at in range(0, HEADER_BYTES, 2))
    assert read_dts_frame(swapped) == frame
    bits = int.from_bytes(header[:14])
    words = [bits >> 14 * at & 0x3FFF for at in reversed(range(8))]
    extended = [word - (word >> 13 << 14) for word in words]
    for order in ("little", "big"):
        packed = b"".join(word.to_bytes(2, order, signed=True) for word in extended)
        assert DTS_SYNC.match(packed)
        assert read_dts_frame(packed) == replace(frame, size=frame.size * 16 // 14)


@pytest.mark.parametrize("content", [b"", b"\x0b\x77", bytes(5000), b"\x0b\x77" + b"\xff" * 3000])
def test_bytes_without_a_frame_have_no_length(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a"
    file.write_bytes(content)
    assert measure_seconds(file, AC3_SYNC, read_ac3_frame) == 0
    assert measure_seconds(file, DTS_SYNC, read_dts_frame) == 0


@pytest.mark.parametrize(
    ("beginning", "sync", "read_frame"),
    [
        (b"\x0b\x77\xff\xff\xff\xff", AC3_SYNC, read_ac3_frame),
        (b"\x0b\x77\x00\x00\x00\x80", AC3_SYNC, read_ac3_frame),  # E-AC-3 of two bytes
        (b"\x7f\xfe\x80\x01", DTS_SYNC, read_dts_frame),
    ],
)
def test_the_search_for_frames_ends_in_a_file_that_only_looks_like_frames(
    tmp_path: Path, beginning: bytes, sync: re.Pattern[bytes], read_frame: ReadFrame
) -> None:
    file = tmp_path / "a"
    file.write_bytes(beginning * (MAX_MISSES + 10))
    headers: list[bytes] = []

    def read(header: bytes) -> Frame | None:
        headers.append(header)
        return read_frame(header)

    assert measure_seconds(file, sync, read) == 0
    assert len(headers) == MAX_MISSES + 1
