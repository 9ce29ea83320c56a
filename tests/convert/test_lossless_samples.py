"""FLAC and WAV have the samples of a lossless source, bit for bit, and 16 bits of a lossy one."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from soundlift.common.jobs.model import State
from soundlift.common.process.ffmpeg import binary
from tests.convert.conftest import Convert, SaveMp3
from tests.convert.pcm import hiss, write_sound
from tests.factories.clips import PICTURE, SINE, ffmpeg, replace_bytes

pytestmark = pytest.mark.media

RATE = 48000
LENGTH = 12001
DEPTHS = {"u8": 1, "s16le": 2, "s24le": 3, "s32le": 4, "f32le": 4, "f64le": 8}
ENCODED = {"copy": "never"}  # so that PCM is not simply copied into a WAV


def _raw(depth: str, channels: int = 2) -> bytes:
    """Return samples in which every bit is used."""
    if depth.startswith("f"):
        noise = np.random.default_rng(1).standard_normal((LENGTH, channels)) * 0.1
        return noise.astype(f"<f{DEPTHS[depth]}").tobytes()
    return np.random.default_rng(1).bytes(LENGTH * channels * DEPTHS[depth])


def _write(file: Path, depth: str, channels: int = 2) -> Path:
    """Write the samples to a file."""
    raw = ["-f", depth, "-ar", str(RATE), "-ac", str(channels), "-i", "pipe:0", "-c:a", f"pcm_{depth}"]
    command = [binary(), "-v", "error", "-y", *raw, str(file)]
    subprocess.run(command, check=True, input=_raw(depth, channels))
    return file


def _decode(file: Path, depth: str, *filters: str) -> bytes:
    command = [binary(), "-v", "error", "-i", str(file), "-map", "0:a", *filters]
    return subprocess.run([*command, "-f", depth, "-"], check=True, capture_output=True).stdout


@pytest.mark.parametrize("depth", DEPTHS)
def test_every_bit_is_kept(convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, depth: str) -> None:
    source = _write(tmp_path / "a.wav", depth)
    wav = convert_file(source, format="wav", **ENCODED)
    assert (wav.state, wav.audio and (wav.audio.codec, wav.audio.copied)) == (State.READY, (f"pcm_{depth}", False))
    assert _decode(save_mp3(wav), depth) == _raw(depth)
    flac = save_mp3(convert_file(source, format="flac"))
    if depth.startswith("f"):
        assert _decode(flac, "s24le") == _decode(source, "s24le")
    else:
        assert _decode(flac, depth) == _raw(depth)


@pytest.mark.parametrize("depth", ["s24le", "s32le"])
def test_silence_and_cuts_leave_the_samples_as_they_are(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, depth: str
) -> None:
    """A mono track that begins 0.1 s after the picture, of which a part is requested in stereo."""
    sound = ("-itsoffset", "0.1", "-i", str(_write(tmp_path / "a.wav", depth, channels=1)))
    source = ffmpeg(tmp_path / "a.mkv", *PICTURE, *sound, "-c:v", "mpeg4", "-c:a", "copy")
    frames = np.frombuffer(_raw(depth, 1), np.uint8).reshape(-1, DEPTHS[depth])
    silence = np.zeros((RATE // 10, DEPTHS[depth]), np.uint8)
    expected = np.repeat(np.concatenate([silence, frames])[RATE // 20 : RATE // 5], 2, axis=0).tobytes()
    for output_format in ("wav", "flac"):
        job = convert_file(source, format=output_format, channels="2", start="0.05", end="0.2")
        assert (job.state, job.missing_seconds) == (State.READY, 0.0)
        assert _decode(save_mp3(job), depth) == expected


def test_silence_before_a_late_track_of_an_mpeg_stream_keeps_its_bits(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path
) -> None:
    sound = ("-itsoffset", "0.5", "-f", "lavfi", "-i", "anoisesrc=d=0.4:r=48000,aformat=s32:cl=stereo")
    picture = ("-c:v", "mpeg2video", "-c:a", "s302m", "-bits_per_raw_sample:a", "24", "-strict", "experimental")
    source = ffmpeg(tmp_path / "a.ts", *PICTURE, *sound, *picture)
    found, track = _decode(save_mp3(convert_file(source, format="wav", **ENCODED)), "s24le"), _decode(source, "s24le")
    assert found == bytes(RATE // 2 * 2 * DEPTHS["s24le"]) + track


def test_a_lossy_track_becomes_16_bits_as_it_is_decoded(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path
) -> None:
    source = ffmpeg(tmp_path / "a.m4a", *SINE, "-c:a", "aac")
    for output_format, codec in (("wav", "pcm_s16le"), ("flac", "flac")):
        job = convert_file(source, format=output_format)
        assert job.audio is not None
        assert job.audio.codec == codec
        assert _decode(save_mp3(job), "s16le") == _decode(source, "s16le")


def test_a_mix_keeps_the_depth(convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path) -> None:
    source = write_sound(tmp_path / "a.wav", hiss(0.5, RATE, 6), RATE, "-c:a", "pcm_s24le", layout="5.1")
    job = convert_file(source, format="wav", sample_rate="32000")
    assert job.audio is not None
    assert (job.audio.codec, job.audio.channels, job.audio.sample_rate) == ("pcm_s24le", 2, 32000)
    assert len(_decode(save_mp3(job), "s24le")) == 16000 * 2 * 3


def test_no_sound_is_lost_after_frames_that_are_cut_off(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path
) -> None:
    source, cut, length = _write(tmp_path / "a.wav", "s16le"), 11 * 576 + 100, 3000
    file = ffmpeg(tmp_path / "a.mp4", "-i", str(source), "-c:a", "flac", "-frame_size", "576")
    whole, begin = (struct.pack(">IIi", 1, *edit) for edit in ((LENGTH, 0), (length, cut)))  # elst: ISO/IEC 14496-12
    job = convert_file(replace_bytes(file, whole, begin), format="wav")
    assert _decode(save_mp3(job), "s16le") == _raw("s16le")[4 * cut : 4 * (cut + length)]
