"""An MP3 track is copied if the copy sounds exactly like the track, and otherwise encoded."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import copyfile

import numpy as np
import pytest

from functions.convert.formats.mp3_copy import complete_copy
from functions.convert.formats.mp3_frames import read_frames
from functions.convert.probe.packets import read_packets
from soundlift.common.jobs.model import State
from soundlift.common.process.ffmpeg import binary
from soundlift.common.services import Services
from tests.convert.conftest import Convert, SaveMp3
from tests.convert.pcm import Samples, decode_file
from tests.factories.clips import ffmpeg, truncate

pytestmark = pytest.mark.media

RATE, SAMPLES = 44100, 1152
NOISE = ("-f", "lavfi", "-i", f"anoisesrc=d=1.2:r={RATE}:color=pink:a=0.3:seed=1", "-ac", "2")
PICTURE = ("-f", "lavfi", "-i", "testsrc=duration=1.2:size=64x64:rate=10")
PURE = ("-c:a", "libmp3lame", "-b:a", "128k", "-map_metadata", "-1", "-id3v2_version", "0")
MUTED = 1e-12  # of full scale, the level of a frame whose data is missing


@pytest.fixture(scope="module")
def mp3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an MP3 of 1.2 s with a bit reservoir."""
    return ffmpeg(tmp_path_factory.mktemp("mp3") / "a.mp3", *NOISE, *PURE)


@pytest.fixture(scope="module")
def cut_mp3(mp3: Path) -> Path:
    """Return the frames of an MP3 from the twentieth on, of which the first two refer to data of earlier ones."""
    with mp3.open("rb") as file:
        frames = list(read_frames(file))[20:]
    assert int.from_bytes(frames[0][4:6]) >> 7 > 0
    output = mp3.with_name("cut.mp3")
    output.write_bytes(b"".join(frames))
    return output


def _decoded(file: Path) -> Samples:
    return decode_file(file).samples


def _in_container(mp3: Path, name: str, *more: str) -> Path:
    codec = "flv1" if name.endswith(".flv") else "mpeg4"
    return ffmpeg(mp3.with_name(name), *PICTURE, *more, "-i", str(mp3), "-c:v", codec, "-c:a", "copy")


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "avi", "ts", "flv", "mp3"])
def test_a_copied_track_has_the_samples_of_the_track(
    convert_file: Convert, save_mp3: SaveMp3, mp3: Path, suffix: str
) -> None:
    file = mp3 if suffix == "mp3" else _in_container(mp3, f"a.{suffix}")
    job = convert_file(file)
    assert (job.state, job.missing_seconds, job.audio and job.audio.copied) == (State.READY, 0.0, True)
    copy, track = _decoded(save_mp3(job)), _decoded(file)
    assert np.array_equal(copy, track)
    assert job.length == len(track) / RATE


@pytest.mark.parametrize("suffix", ["mp4", "avi"])
def test_a_track_cut_out_of_a_longer_mp3_begins_without_noise(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, cut_mp3: Path, suffix: str
) -> None:
    track = _decoded(cut_mp3)
    copy = save_mp3(convert_file(_in_container(cut_mp3, f"cut.{suffix}")))
    assert _decoded(copy) == pytest.approx(track, abs=MUTED)
    # Some decoders take the header frame for an ordinary one. They must not find data for the first frames there.
    other = tmp_path / "other.mp3"
    other.write_bytes(copy.read_bytes().replace(b"Xing", b"none").replace(b"Info", b"none"))
    assert np.abs(_decoded(other)).max() <= np.abs(track).max()


def test_a_track_that_begins_with_a_header_frame_keeps_it_as_silence(
    convert_file: Convert, save_mp3: SaveMp3, mp3: Path
) -> None:
    first = mp3.read_bytes()[:417]
    frames = mp3.with_name("frames.mp3")
    frames.write_bytes(first.replace(b"Info", b"none") + mp3.read_bytes())
    file = ffmpeg(mp3.with_name("frames.avi"), "-i", str(frames), "-c", "copy", "-bsf:a", r"noise=drop=lt(n\,1)")
    assert b"Info" in file.read_bytes()
    job = convert_file(file)
    assert job.audio
    assert job.audio.copied
    assert np.array_equal(_decoded(save_mp3(job)), _decoded(file))


def test_ffmpeg_does_not_take_a_first_frame_with_another_channel_mode_for_junk(tmp_path: Path, mp3: Path) -> None:
    frames, file, listing = tmp_path / "frames.mp3", tmp_path / "copy.mp3", tmp_path / "packets"
    first = mp3.read_bytes()[:417].replace(b"Info", b"none")  # stereo, and the others are joint stereo
    frames.write_bytes(first + first + mp3.read_bytes()[417:])
    ffmpeg(file, "-i", str(frames), "-bsf:a", r"noise=drop=lt(n\,1)", "-c", "copy", *PURE[4:])
    ffmpeg(listing, "-i", str(frames), "-bsf:a", r"noise=drop=lt(n\,1)", "-c", "copy", "-f", "framecrc")
    with listing.open("rb") as lines:
        packets = replace(read_packets(lines, "mp3", RATE), skip=1105)
    assert complete_copy(file, packets) == len(packets) * SAMPLES - 1105 == len(_decoded(file))


@pytest.mark.parametrize(("delay", "more"), [("0.5", ()), ("0", ("-bsf:a", r"noise=drop=between(n\,20\,24)"))])
def test_a_late_start_or_a_gap_is_encoded_as_silence_unless_a_copy_is_required(
    convert_file: Convert, mp3: Path, delay: str, more: tuple[str, ...]
) -> None:
    file = ffmpeg(
        mp3.with_name("gap.mkv"), *PICTURE, "-itsoffset", delay, "-i", str(mp3), "-c:v", "mpeg4", "-c:a", "copy", *more
    )
    encoded, copied = convert_file(file), convert_file(file, copy="always")
    assert encoded.audio
    assert copied.audio
    assert (encoded.audio.copied, copied.audio.copied) == (False, True)
    assert encoded.length
    assert copied.length
    assert encoded.length - copied.length == pytest.approx(float(delay) or 5 * SAMPLES / RATE, abs=0.03)


def _with_junk(mp3: bytes) -> bytes:
    return mp3[:-4000] + bytes(3000) + mp3[-4000:]


def _with_another_rate(mp3: bytes) -> bytes:
    command = [binary(), "-v", "error", *NOISE, "-ar", "48000", *PURE, "-write_xing", "0", "-f", "mp3", "-"]
    return mp3 + subprocess.run(command, check=True, capture_output=True).stdout


@pytest.mark.parametrize("change", [_with_junk, _with_another_rate])
def test_anything_other_than_whole_frames_of_one_kind_is_encoded(
    convert_file: Convert, tmp_path: Path, mp3: Path, change: Callable[[bytes], bytes]
) -> None:
    file = tmp_path / "changed.mp3"
    file.write_bytes(change(mp3.read_bytes()))
    job = convert_file(file)
    assert (job.state, job.audio and job.audio.copied) == (State.READY, False)
    refused = convert_file(file, copy="always")
    assert (refused.state, refused.error_code) == (State.FAILED, "cannot_copy")
    assert "MP3 frames" in str(refused.error)


@pytest.mark.parametrize("suffix", ["mp4", "avi"])
@pytest.mark.parametrize(("start", "end"), [("0.02", "0.9"), ("0.5", None)])
def test_a_required_copy_of_a_part_is_cut_at_the_exact_samples(
    convert_file: Convert, save_mp3: SaveMp3, mp3: Path, suffix: str, start: str, end: str | None
) -> None:
    file = _in_container(mp3, f"part.{suffix}")
    job = convert_file(file, copy="always", start=start, **({"end": end} if end else {}))
    assert (job.state, job.audio and job.audio.copied) == (State.READY, True)
    track = _decoded(file)
    first, last = round(float(start) * RATE), round(float(end) * RATE) if end else len(track)
    assert _decoded(save_mp3(job)) == pytest.approx(track[first:last], abs=MUTED)
    assert job.audio
    assert (job.audio.cut_start, job.audio.cut_end) == pytest.approx((first / RATE, last / RATE))


def test_a_copy_is_limited_like_an_encoded_file(convert_file: Convert, services: Services, mp3: Path) -> None:
    assert convert_file(mp3, copy="always", start="9").error_code == "nothing_left"
    services.settings = replace(services.settings, max_audio_bytes=10_000)
    assert convert_file(mp3, copy="always").error_code == "too_large"


def test_the_end_of_a_truncated_file_is_missing_from_a_copy_as_from_an_encoded_file(
    convert_file: Convert, mp3: Path
) -> None:
    avi, raw = _in_container(mp3, "short.avi"), copyfile(mp3, mp3.with_name("short.mp3"))
    for file in (truncate(avi, 0.7), truncate(raw, 0.7)):
        copied, encoded = convert_file(file, copy="always"), convert_file(file, copy="never")
        assert copied.audio
        assert copied.audio.copied
        assert copied.missing_seconds == pytest.approx(encoded.missing_seconds, abs=0.05)
        assert copied.missing_seconds
    # FFmpeg decodes a part of the incomplete last frame, which a copy leaves out.
    audio = convert_file(raw).audio
    assert audio
    assert not audio.copied
