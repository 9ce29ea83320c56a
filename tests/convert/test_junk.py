"""Junk before and between the frames of a sound is not missing sound, and does not end a conversion."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from soundlift.common.jobs.model import State
from tests.convert.conftest import Convert
from tests.factories.clips import ffmpeg

pytestmark = pytest.mark.media

SECONDS = 4
TONE = ("-f", "lavfi", "-i", f"anoisesrc=duration={SECONDS}:sample_rate=48000:seed=1:amplitude=0.3")
ID3 = b"ID3\4\0\0\0\0\0\x0a" + bytes(10)


@pytest.mark.parametrize(
    "arguments",
    [("-b:a", "128k", "-write_xing", "0"), ("-q:a", "4"), ("-q:a", "4", "-write_xing", "0")],
    ids=["constant", "variable", "variable without a count"],
)
@pytest.mark.parametrize(
    "junk",
    [
        pytest.param(random.Random(1).randbytes(30_000), id="noise"),
        pytest.param(random.Random(100).randbytes(100_000), id="more noise"),
        pytest.param(b"hello world " * 17_000, id="text"),
        pytest.param(bytes(100_000), id="zeros"),
    ],
)
def test_junk_before_the_first_frame_of_an_mp3_is_not_missing_sound(
    convert_file: Convert, tmp_path: Path, junk: bytes, arguments: tuple[str, ...]
) -> None:
    file = ffmpeg(tmp_path / "a.mp3", *TONE, "-ar", "44100", "-id3v2_version", "0", *arguments)
    file.write_bytes(ID3 + junk + file.read_bytes())
    job = convert_file(file, copy="never")
    assert (job.state, job.missing_seconds) == (State.READY, 0.0)


@pytest.mark.parametrize(("parts", "size"), [(1, 4_000_000), (2, 12_000_000)])
def test_more_junk_than_sound_does_not_fail_the_conversion(
    convert_file: Convert, tmp_path: Path, parts: int, size: int
) -> None:
    frames = ffmpeg(tmp_path / "a.mp3", *TONE, "-id3v2_version", "0", "-write_xing", "0").read_bytes()
    before = frames if parts == 2 else ID3
    file = tmp_path / "junk.mp3"
    file.write_bytes(before + random.Random(5).randbytes(size) + frames)
    job = convert_file(file)
    assert (job.state, job.error) == (State.READY, None)


@pytest.mark.parametrize(
    ("name", "before", "between"),
    [
        ("a.aac", 100_000, 0),
        ("a.aac", 0, 300_000),
        ("a.ac3", 100_000, 0),
        ("a.ac3", 0, 300_000),
        ("a.eac3", 0, 300_000),
        ("a.mp3", 0, 20_000_000),
    ],
)
def test_junk_in_a_raw_stream_is_not_missing_sound(
    convert_file: Convert, tmp_path: Path, name: str, before: int, between: int
) -> None:
    bare = ("-write_xing", "0", "-id3v2_version", "0") if name == "a.mp3" else ()
    frames = ffmpeg(tmp_path / f"half-{name}", *TONE, *bare).read_bytes()
    junk = random.Random(5).randbytes
    file = tmp_path / name
    file.write_bytes((ID3 + junk(before) if before else frames + junk(between)) + frames)
    job = convert_file(file)
    assert job.state == State.READY
    # Some of the junk looks like a frame: a header followed by enough bytes.
    assert job.missing_seconds == pytest.approx(0, abs=0.15 if name == "a.aac" else 0)


def test_damaged_frames_of_a_raw_stream_are_missing_sound(convert_file: Convert, tmp_path: Path) -> None:
    content = bytearray(ffmpeg(tmp_path / "a.aac", *TONE).read_bytes())
    rng = random.Random(7)
    for _ in range(40):
        content[rng.randrange(3000, len(content))] = rng.randrange(256)
    file = tmp_path / "damaged.aac"
    file.write_bytes(content)
    job = convert_file(file)
    assert job.state == State.READY
    assert 0.1 < (job.missing_seconds or 0) < 1


def test_a_tag_between_the_frames_of_an_mp3_is_not_missing_sound(convert_file: Convert, tmp_path: Path) -> None:
    file = ffmpeg(tmp_path / "a.mp3", *TONE, "-id3v2_version", "0")
    picture = b"ID3\4\0\0\0\x12\x27\x60" + random.Random(2).randbytes(300_000)
    file.write_bytes(file.read_bytes() + picture + file.read_bytes())
    job = convert_file(file)
    assert (job.state, job.missing_seconds) == (State.READY, 0.0)
