"""The waveform of a converted file shows where its sound is loud and where it is silent."""

from __future__ import annotations

import io
import math
import subprocess
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from functions.convert.encode.encoder import MAX_WINDOW_SECONDS
from functions.convert.encode.waveform import PARTS, WaveformRecorder, read_waveform, windows
from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.model import Job, State
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.process.ffmpeg import binary
from soundlift.common.services import Services
from tests.convert.conftest import Convert
from tests.convert.pcm import Samples, hiss, write_sound
from tests.convert.sounds import make_sound_plan

pytestmark = pytest.mark.media  # together, its tests take seconds of a fast loop

RATE = 8000
HOURS = 3600.0


def _waveform(services: Services, job: Job) -> list[int]:
    with services.database.read() as connection:
        waveform = connection.scalar(table.select().with_only_columns(table.c.waveform).where(table.c.id == job.id))
    assert job.state == State.READY
    assert waveform is not None
    return list(waveform)


def _burst(seconds: float, begin: float, end: float, channels: int = 1, rate: int = RATE) -> Samples:
    """Return silence with noise at half of full scale between two shares of its length, on the last channel only."""
    sound = np.zeros((round(seconds * rate), channels), np.float32)
    noise = hiss((end - begin) * seconds, rate)[:, 0]
    first = round(begin * len(sound))
    sound[first : first + len(noise), -1] = 0.5 * noise / np.abs(noise).max()
    return sound


def _loud_parts(waveform: list[int]) -> tuple[float, float]:
    """Return the shares of the length at which the first loud part begins and the last one ends."""
    loud = [part for part, peak in enumerate(waveform) if peak > 5]
    return loud[0] / len(waveform), (loud[-1] + 1) / len(waveform)


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize(("seconds", "channels"), [(0.1, 1), (0.1, 2), (3.0, 2), (60.0, 1), (60.0, 2), (300.0, 1)])
def test_a_burst_shows_at_its_place_and_the_silence_around_it_is_silent(
    services: Services, convert_file: Convert, tmp_path: Path, seconds: float, channels: int, cores: int
) -> None:
    services.settings = replace(services.settings, convert_concurrency=cores)
    file = write_sound(tmp_path / "a.wav", _burst(seconds, 0.7, 0.72, channels), RATE)
    waveform = _waveform(services, convert_file(file))
    assert len(waveform) == PARTS
    assert _loud_parts(waveform) == pytest.approx((0.7, 0.72), abs=1 / 200)
    assert max(waveform) == pytest.approx(127, abs=2)
    assert set(waveform[: round(0.69 * PARTS)] + waveform[round(0.73 * PARTS) :]) == {0}


def test_a_sound_of_a_few_samples_has_a_complete_waveform(
    services: Services, convert_file: Convert, tmp_path: Path
) -> None:
    waveform = _waveform(services, convert_file(write_sound(tmp_path / "a.wav", _burst(0.001, 0, 1), RATE)))
    assert len(waveform) == PARTS
    assert max(waveform) == pytest.approx(127, abs=2)


def test_a_silence_is_silent(services: Services, convert_file: Convert, tmp_path: Path) -> None:
    file = write_sound(tmp_path / "a.wav", np.zeros((RATE, 2), np.float32), RATE)
    assert _waveform(services, convert_file(file)) == [0] * PARTS


def test_only_the_requested_part_of_a_sound_is_shown(services: Services, convert_file: Convert, tmp_path: Path) -> None:
    file = write_sound(tmp_path / "a.wav", _burst(10, 0.5, 0.55), RATE)
    waveform = _waveform(services, convert_file(file, start="4.5", end="6.5"))
    assert _loud_parts(waveform) == pytest.approx((0.25, 0.5), abs=1 / 200)


@pytest.mark.parametrize("seconds", [1.0, 30.0])
def test_a_burst_shows_at_its_place_if_the_container_declares_no_length(
    services: Services, convert_file: Convert, tmp_path: Path, seconds: float
) -> None:
    sound = _burst(seconds, 0.7, 0.72)
    file = write_sound(tmp_path / "a.mkv", sound, RATE, "-c:a", "flac", "-live", "1")
    assert _loud_parts(_waveform(services, convert_file(file))) == pytest.approx((0.7, 0.72), abs=1 / 200)


def test_a_normalized_sound_is_shown_as_it_is_heard(services: Services, convert_file: Convert, tmp_path: Path) -> None:
    file = write_sound(tmp_path / "a.wav", hiss(5, 44100, level=0.01), 44100)
    quiet, loud = (max(_waveform(services, convert_file(file, **options))) for options in ({}, {"normalize": "-14"}))
    assert quiet < 20
    assert loud > 80


def test_a_sound_that_clips_is_shown_at_full_scale(services: Services, convert_file: Convert, tmp_path: Path) -> None:
    file = write_sound(tmp_path / "a.wav", hiss(1, 44100, level=2), 44100, "-c:a", "pcm_f32le")
    assert max(_waveform(services, convert_file(file))) == 255


@pytest.mark.parametrize("declared", [None, 0.0, 0.1, 60.0, 10 * HOURS])
@pytest.mark.parametrize("seconds", [60.0, 10 * HOURS, 1000 * HOURS])
def test_the_number_of_windows_is_small_whatever_length_a_container_declares(
    declared: float | None, seconds: float
) -> None:
    steps = [*windows(declared, MAX_WINDOW_SECONDS), (seconds, math.inf)]
    count = sum(
        (min(end, seconds) - start) / window for (start, window), (end, _) in pairwise(steps) if start < seconds
    )
    assert count < 4000 + seconds / MAX_WINDOW_SECONDS


def test_ffmpeg_lengthens_the_windows_of_a_sound_of_unknown_length(tmp_path: Path) -> None:
    file = write_sound(tmp_path / "a.wav", np.zeros((60 * RATE, 1), np.float32), RATE)
    plan = replace(make_sound_plan(AudioOptions(), RATE), seconds=None)
    with WaveformRecorder(plan, tmp_path, max_window=1) as recorder:
        command = [binary(), "-v", "error", "-nostdin", "-i", str(file), "-af", ",".join(recorder.plan.filters)]
        subprocess.run([*command, "-f", "null", "-"], check=True, pass_fds=[recorder.pipe])
        with io.FileIO(recorder.pipe, closefd=False) as lines:
            lines.seek(0)
            count = lines.read().count(b"frame:")
        assert recorder.read(60 * RATE) == bytes(PARTS)
    assert 270 < count < 7 * 270


@pytest.mark.parametrize("declared", [None, 0.1, 10.0])
@pytest.mark.parametrize("seconds", [10.0, 77.0, 10 * HOURS])
def test_a_window_is_at_most_a_270th_of_the_sound(declared: float | None, seconds: float) -> None:
    for start, window in windows(declared, MAX_WINDOW_SECONDS):
        if start < seconds:
            assert window <= seconds / 270


def _lines(*levels: tuple[str, str]) -> list[bytes]:
    return [
        line
        for position, level in levels
        for line in (
            f"frame:0    pts:1       pts_time:{position}\n".encode(),
            f"lavfi.astats.Overall.Peak_level={level}\n".encode(),
        )
    ]


def test_levels_become_amplitudes() -> None:
    lines = _lines(("0", "-inf"), ("1", "0.000000"), ("2", "-6.020600"), ("3", "40.5"), ("4", "nan"), ("5", "inf"))
    assert read_waveform(lines, 8.0)[::50] == bytes([0, 255, 127, 255, 0, 255, 255, 255])


def test_a_list_that_cannot_be_read_is_an_unknown_waveform(tmp_path: Path) -> None:
    for lines in ([], [b"frame"], _lines(("0", "")), _lines(("inf", "-6.0")), _lines(("nan", "-6.0"))):
        with WaveformRecorder(make_sound_plan(AudioOptions()), tmp_path, max_window=1) as recorder:
            with io.FileIO(recorder.pipe, "w", closefd=False) as file:
                file.write(b"".join(lines))
            assert [recorder.read(0), recorder.read(44100)] == [None, None]
