"""A declared duration is evidence of missing sound only if its header is credible, and is never required."""

from __future__ import annotations

import random
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from functions.convert.encode.ffmpeg import input_args
from functions.convert.encode.range_server import Source, serve
from soundlift.common.jobs.model import Job, State
from soundlift.common.process.ffmpeg import binary
from soundlift.common.services import Services
from tests.convert.conftest import Convert
from tests.corpus.verdicts import decoded_seconds
from tests.factories.clips import ffmpeg, truncate

pytestmark = pytest.mark.media

SECONDS = 4
TONE = ("-f", "lavfi", "-i", f"anoisesrc=duration={SECONDS}:sample_rate=48000:seed=1:amplitude=0.3")
# Large enough that a declared size of 4 GiB is less than MAX_DECLARED_RATIO times the sound, so that limit does not
# apply.
LARGE = ("-ar", "96000", "-ac", "2", "-c:a", "pcm_f64le")
WAV_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
PICTURE = ("-f", "lavfi", "-i", f"testsrc=duration={SECONDS}:size=32x32:rate=25")
PADDING_SECONDS = 0.1
FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
PADDING_OBJECT = bytes.fromhex("74d40618dfca0945a4ba9aabcb96aae8")
MEASURE_MEMORY = """
import os, resource, sys
from functions.convert.probe.declared_duration import declared_duration
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open(sys.argv[1], "rb") as file:
    print(declared_duration(file, os.path.getsize(sys.argv[1])).seconds)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def _write_to_pipe(file: Path, *arguments: str) -> Path:
    """Write a file as FFmpeg does when it cannot seek."""
    command = [binary(), "-nostdin", "-v", "error", *TONE, *arguments, "-f", file.suffix[1:], "pipe:1"]
    file.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
    return file


def _overwrite(file: Path, at: int, value: bytes) -> Path:
    content = bytearray(file.read_bytes())
    content[at : at + len(value)] = value
    file.write_bytes(content)
    return file


def _offset_after(file: Path, marker: bytes) -> int:
    at = file.read_bytes().find(marker)
    assert at >= 0
    return at + len(marker)


def _assert_complete(convert_file: Convert, file: Path) -> None:
    job = convert_file(file)
    assert (job.state, job.error) == (State.READY, None)
    assert job.length == pytest.approx(decoded_seconds(file), abs=PADDING_SECONDS)
    assert not job.missing_seconds


def test_a_wav_written_to_a_pipe_has_no_missing_sound(convert_file: Convert, tmp_path: Path) -> None:
    _assert_complete(convert_file, _write_to_pipe(tmp_path / "a.wav", *LARGE))


@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFDB, 0xFFFFFFFE, 0xFFFFFFFF])
def test_a_placeholder_for_a_size_is_not_missing_sound(convert_file: Convert, tmp_path: Path, size: int) -> None:
    samples = ffmpeg(tmp_path / "samples", *TONE, "-ar", "192000", "-ac", "2", "-f", "s32le").read_bytes()
    outer = min(size + WAV_HEADER.size - 8, 2**32 - 1)  # the data chunk fits into it whenever possible
    rate = (192_000, 8 * 192_000, 8, 32)  # samples and bytes per second, bytes per block, bits
    header = WAV_HEADER.pack(b"RIFF", outer, b"WAVE", b"fmt ", 16, 1, 2, *rate, b"data", size)
    file = tmp_path / "a.wav"
    file.write_bytes(header + samples)
    _assert_complete(convert_file, file)


def test_a_wav_whose_data_exceeds_its_riff_chunk_has_no_missing_sound(convert_file: Convert, tmp_path: Path) -> None:
    file = ffmpeg(tmp_path / "a.wav", *TONE, *LARGE)
    _assert_complete(convert_file, _overwrite(file, _offset_after(file, b"data"), (2**30).to_bytes(4, "little")))


@pytest.mark.parametrize("size", [0x7F000000, 0x7FFFFFFF])
def test_an_aiff_written_to_a_pipe_has_no_missing_sound(convert_file: Convert, tmp_path: Path, size: int) -> None:
    file = ffmpeg(tmp_path / "a.aiff", *TONE, *LARGE[:-1], "pcm_s24be")
    _overwrite(file, 4, (size + 46).to_bytes(4))
    _overwrite(file, _offset_after(file, b"COMM") + 6, (size // 6).to_bytes(4))
    _assert_complete(convert_file, _overwrite(file, _offset_after(file, b"SSND"), (size + 8).to_bytes(4)))


def test_an_aiff_that_declares_more_samples_than_bytes_has_no_missing_sound(
    convert_file: Convert, tmp_path: Path
) -> None:
    file = ffmpeg(tmp_path / "a.aiff", *TONE)
    _assert_complete(
        convert_file, _overwrite(file, _offset_after(file, b"COMM") + 6, (100 * 48000 * SECONDS).to_bytes(4))
    )


@pytest.mark.parametrize("frames", [10_000, 9_000_000, 2**32 - 1])
def test_a_forged_frame_count_in_an_mp3_is_not_missing_sound(
    convert_file: Convert, tmp_path: Path, frames: int
) -> None:
    file = ffmpeg(tmp_path / "a.mp3", *TONE)
    _assert_complete(convert_file, _overwrite(file, _offset_after(file, b"Info") + 4, frames.to_bytes(4)))


def test_a_header_that_declares_10000_times_the_sound_is_not_credible(convert_file: Convert, tmp_path: Path) -> None:
    file = ffmpeg(tmp_path / "a.mp3", *TONE)
    bytes_per_frame = file.stat().st_size // (48000 * SECONDS // 1152)
    frames = 10_000 * 48000 * SECONDS // 1152
    numbers = frames.to_bytes(4) + (frames * bytes_per_frame).to_bytes(4)
    _assert_complete(convert_file, _overwrite(file, _offset_after(file, b"Info") + 4, numbers))


def _make_caf(folder: Path) -> tuple[Path, bytes]:
    """Return a CAF and its `desc` chunk."""
    file = ffmpeg(folder / "a.caf", *TONE, "-c:a", "pcm_s16be")
    return file, file.read_bytes()[8:52]


@pytest.mark.parametrize("rate", [1e-300, float("inf"), float("nan"), -48000.0, 0.0])
def test_a_caf_with_a_second_description_has_no_missing_sound(
    convert_file: Convert, tmp_path: Path, rate: float
) -> None:
    file, description = _make_caf(tmp_path)
    content = file.read_bytes()
    second = description[:12] + struct.pack(">d", rate) + description[20:]
    file.write_bytes(content[:52] + second + content[52:])
    _assert_complete(convert_file, file)


def test_a_caf_whose_data_extends_to_the_end_has_no_missing_sound(convert_file: Convert, tmp_path: Path) -> None:
    file, _ = _make_caf(tmp_path)
    _assert_complete(convert_file, _overwrite(file, _offset_after(file, b"data"), b"\xff" * 8))


def test_a_caf_chunk_of_the_maximum_size_does_not_crash_the_conversion(convert_file: Convert, tmp_path: Path) -> None:
    file, _ = _make_caf(tmp_path)
    content = file.read_bytes()
    file.write_bytes(content[:52] + b"free" + (2**63 - 1).to_bytes(8) + content[52:])
    assert convert_file(file).state in (State.READY, State.FAILED)


@pytest.mark.parametrize("share", [0.3, 0.9])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("a.wav", ()),
        ("wide.wav", ("-ac", "6")),
        ("rf64.wav", ("-rf64", "always")),
        ("a.aiff", ()),
        ("a.caf", ("-c:a", "pcm_s16be")),
        ("a.avi", (*PICTURE, "-c:v", "mpeg4", "-c:a", "libmp3lame")),
        ("a.wma", ("-c:a", "wmav2")),
        ("a.mp3", ("-c:a", "libmp3lame")),
        ("slow.mp3", ("-c:a", "libmp3lame", "-ar", "8000")),
    ],
)
def test_a_truncated_file_reports_its_missing_sound(
    convert_file: Convert, tmp_path: Path, name: str, arguments: tuple[str, ...], share: float
) -> None:
    file = truncate(ffmpeg(tmp_path / name, *TONE, *arguments), share)
    job = convert_file(file)
    assert job.state == State.READY
    missing = SECONDS - decoded_seconds(file)
    assert missing > PADDING_SECONDS
    assert job.missing_seconds == pytest.approx(missing, abs=PADDING_SECONDS + 0.02)


def test_a_wma_with_a_garbled_header_is_converted_if_ffmpeg_reads_it(
    convert_file: Convert, services: Services, tmp_path: Path
) -> None:
    whole = ffmpeg(tmp_path / "whole.wma", *TONE, "-t", "1", "-c:a", "wmav2").read_bytes()
    header = int.from_bytes(whole[16:24], "little")
    readable = 0
    for seed in range(40):
        rng = random.Random(seed)
        content = bytearray(whole)
        for _ in range(3):
            content[rng.randrange(30, header)] = rng.randrange(256)
        file = tmp_path / f"{seed}.wma"
        file.write_bytes(content)
        job = convert_file(file)
        assert job.state in (State.READY, State.FAILED)
        if _ffmpeg_decodes(services, job):
            readable += 1
            assert (seed, job.state, job.error) == (seed, State.READY, None)
    assert readable > 10


def _ffmpeg_decodes(services: Services, job: Job) -> bool:
    """Return whether FFmpeg decodes any of a stored video over HTTP: in a file it could seek beyond the end."""
    source = Source(services.videos, job.video_fid)
    with serve(source) as url:
        command = [binary(), "-nostdin", "-hide_banner", "-v", "verbose", *input_args(url), "-vn", "-f", "null", "-"]
        done = subprocess.run(command, check=False, capture_output=True)
    return re.search(rb"[1-9]\d* frames decoded", done.stderr) is not None


def test_a_gigabyte_of_padding_in_a_wma_header_is_not_read(tmp_path: Path) -> None:
    file = ffmpeg(tmp_path / "a.wma", *TONE, "-c:a", "wmav2")
    content, padding = file.read_bytes(), 2**30
    header = (int.from_bytes(content[16:24], "little") + padding).to_bytes(8, "little")
    with file.open("wb") as sparse:
        sparse.write(content[:16] + header + content[24:30] + PADDING_OBJECT + padding.to_bytes(8, "little"))
        sparse.seek(30 + padding)
        sparse.write(content[30:])
    command = [sys.executable, "-c", MEASURE_MEMORY, str(file)]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, kilobytes = run.stdout.split()
    assert float(seconds) == pytest.approx(SECONDS, abs=PADDING_SECONDS)
    assert int(kilobytes) < 8 * 1024
