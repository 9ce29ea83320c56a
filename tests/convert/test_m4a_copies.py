"""AAC and ALAC tracks are copied into an M4A, which plays the same samples as the source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pymediainfo import MediaInfo

from soundlift.common.jobs.model import State
from tests.convert.conftest import Convert, SaveMp3
from tests.convert.pcm import Samples, decode_file, hiss, write_sound
from tests.factories.clips import PICTURE, ffmpeg, replace_bytes

pytestmark = pytest.mark.media

RATE = 44100
SAMPLES = 50_001  # not a whole number of frames
VIDEO = ("-map", "0:v", "-map", "1:a", "-shortest", "-c:v", "mpeg2video", "-r", "25")
# The first bytes of an AudioSpecificConfig (ISO/IEC 14496-3, section 1.6.2.1): AAC-LC at 22,050 Hz, followed by the
# statement that there is no SBR; and HE-AAC, which doubles that rate.
FLV_HEADER_BYTES = 13  # with the size of the tag before the first one
LC, HE = bytes.fromhex("139056e500"), bytes.fromhex("2b92080000")


@pytest.fixture
def mp4(tmp_path: Path) -> Path:
    """Return a video with AAC that has a delay and padding."""
    sound = hiss(SAMPLES / RATE, RATE, 2)
    return write_sound(tmp_path / "source.mp4", sound, RATE, *VIDEO, "-c:a", "aac", before=PICTURE)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("a.mp4", ()),
        ("a.mov", ()),
        ("a.mkv", ()),
        ("a.ts", ()),
        ("a.flv", ("-vn",)),
        ("a.aac", ("-vn",)),
        ("fragmented.mp4", ("-movflags", "+frag_keyframe+empty_moov")),
    ],
)
def test_a_copy_plays_the_samples_of_its_source(
    convert_file: Convert, save_mp3: SaveMp3, mp4: Path, name: str, arguments: tuple[str, ...]
) -> None:
    source = ffmpeg(mp4.with_name(name), "-i", str(mp4), "-map", "0", "-c", "copy", *arguments)
    job = convert_file(source, format="m4a")
    assert (job.state, job.audio and job.audio.copied) == (State.READY, True)
    file, expected = save_mp3(job), decode_file(source).samples
    assert np.array_equal(decode_file(file).samples, expected)
    assert job.length == pytest.approx(len(expected) / RATE)
    assert MediaInfo.parse(file).audio_tracks[0].duration == pytest.approx(1000 * len(expected) / RATE, abs=1)


@pytest.mark.parametrize(("rate", "channels"), [(RATE, 1), (RATE // 2, 2)])
def test_a_track_whose_channels_or_rate_change_is_encoded(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, rate: int, channels: int
) -> None:
    first = write_sound(tmp_path / "1.aac", hiss(1, RATE, 2), RATE)
    parts = [first, write_sound(tmp_path / "2.aac", hiss(1, rate, channels), rate)]
    changing = tmp_path / "a.aac"
    changing.write_bytes(b"".join(part.read_bytes() for part in parts))
    job = convert_file(changing, format="m4a")
    assert (job.state, job.audio and job.audio.copied) == (State.READY, False)
    assert decode_file(save_mp3(job)).seconds == pytest.approx(2, abs=0.15)  # with padding


@pytest.mark.parametrize("options", [{"format": "m4a"}, {"format": "original"}])
def test_a_track_whose_configuration_changes_in_an_flv_is_not_copied(
    convert_file: Convert, tmp_path: Path, options: dict[str, str]
) -> None:
    first, second = (write_sound(tmp_path / f"{rate}.flv", hiss(1, rate, 2), rate) for rate in (RATE, RATE // 2))
    source = tmp_path / "a.flv"
    source.write_bytes(first.read_bytes() + second.read_bytes()[FLV_HEADER_BYTES:])
    job = convert_file(source, **options)
    assert (job.state, job.audio and job.audio.copied, job.error_code) in [
        (State.READY, False, None),
        (State.FAILED, None, "cannot_copy"),
    ]


@pytest.mark.parametrize("name", ["a.mov", "a.mkv"])
def test_an_alac_track_is_copied_as_the_original(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, name: str
) -> None:
    source = write_sound(tmp_path / name, hiss(SAMPLES / RATE, RATE, 2), RATE, "-c:a", "alac")
    job = convert_file(source, format="original")
    assert job.audio is not None
    assert (job.audio.format, job.audio.codec, job.audio.copied) == ("m4a", "alac", True)
    assert job.length == SAMPLES / RATE
    assert np.array_equal(decode_file(save_mp3(job)).samples, decode_file(source).samples)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_the_doubled_rate_of_he_aac_is_kept(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, name: str
) -> None:
    sound = hiss(1, RATE // 2, 2)
    lc = write_sound(tmp_path / "a.mp4", sound, RATE // 2, "-c:a", "aac")
    source = replace_bytes(lc, LC, HE)  # its times are in samples at the single rate
    if name != lc.name:
        source = ffmpeg(tmp_path / name, "-i", str(source), "-c", "copy")
    job = convert_file(source, format="m4a")
    assert job.audio is not None
    assert (job.audio.copied, job.audio.sample_rate) == (True, RATE)
    file, expected = save_mp3(job), decode_file(source)
    assert HE in file.read_bytes()
    assert np.array_equal(decode_file(file).samples, expected.samples)
    assert job.length == pytest.approx(expected.seconds)


def test_a_cut_copy_begins_and_ends_at_the_requested_samples(
    convert_file: Convert, save_mp3: SaveMp3, mp4: Path
) -> None:
    job = convert_file(mp4, format="m4a", copy="always", start="0.25", end="0.75")
    assert job.audio is not None
    assert (job.audio.copied, job.audio.cut_start, job.audio.cut_end) == (True, 0.25, pytest.approx(0.75))
    part = decode_file(mp4).samples[RATE // 4 : RATE * 3 // 4]
    found = decode_file(save_mp3(job)).samples
    assert found.shape == part.shape
    assert _loudest(found - part) < 1e-3 * _loudest(part)  # frames with noise substitution are not repeatable


def _loudest(samples: Samples) -> float:
    return float(np.abs(samples).max())
