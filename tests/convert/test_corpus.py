"""Every file of the corpus becomes an audio file if FFmpeg decodes any of it, and otherwise fails with a stated reason.

All become MP3s here. A selection also becomes each other format, in turn, and then has the samples that FFmpeg decodes;
`make corpus FORMAT=all` does that with all files.
"""

from __future__ import annotations

import subprocess
import sys
from itertools import cycle
from pathlib import Path

import pytest

from soundlift.common.audio.output_formats import REQUESTABLE
from soundlift.common.services import Services
from tests.corpus.broken import SECONDS
from tests.corpus.clips import BROKEN, CLIPS, COMPLETE, PROTECTED, SILENT, UNUSUAL_BEGINNINGS
from tests.corpus.recipes import Recipe
from tests.corpus.verdicts import (
    Result,
    agree,
    convert_file,
    count_decode_errors,
    decode_with_ffmpeg,
    decoded_seconds,
)
from tests.factories.clips import SINE, ffmpeg

pytestmark = pytest.mark.media

# A declared length includes the codec's padding at both ends, here at most 2 × 2048 samples, in WMA.
PADDING_SECONDS = 0.1
OTHER_FORMATS = [name for name in REQUESTABLE if name != "mp3"]
# Every seventh file, so that neighbours, which resemble each other, become different formats.
SELECTION = list(CLIPS)[::7]


def _make(folder: Path, name: str, recipe: Recipe) -> Path:
    file = folder / name
    file.write_bytes(recipe())
    return file


def _compare_with_ffmpeg(file: Path, services: Services) -> Result:
    expected, result = decode_with_ffmpeg(file), convert_file(file, services)
    assert agree(file, expected, result), f"{file.name}: FFmpeg {expected}, Soundlift {result}"
    return result


@pytest.mark.parametrize("name", COMPLETE)
def test_a_complete_file_becomes_an_mp3_without_missing_sound(services: Services, tmp_path: Path, name: str) -> None:
    result = _compare_with_ffmpeg(_make(tmp_path, name, COMPLETE[name]), services)
    assert result.ready, "FFmpeg does not decode the file that the recipe makes"
    assert result.job is not None
    assert not result.job.missing_seconds or count_decode_errors(tmp_path / name), (
        "sound is missing although FFmpeg decodes all of it"
    )


@pytest.mark.parametrize(("name", "audio_format"), list(zip(SELECTION, cycle(OTHER_FORMATS), strict=False)))
def test_a_file_has_the_samples_that_ffmpeg_decodes_in_other_formats(
    services: Services, tmp_path: Path, name: str, audio_format: str
) -> None:
    file = _make(tmp_path, name, CLIPS[name])
    expected, result = decode_with_ffmpeg(file), convert_file(file, services, audio_format, compare=True)
    assert agree(file, expected, result), f"{name} as {audio_format}: FFmpeg {expected}, Soundlift {result}"


@pytest.mark.parametrize("name", UNUSUAL_BEGINNINGS)
def test_a_file_with_an_unusual_beginning_becomes_an_mp3(services: Services, tmp_path: Path, name: str) -> None:
    assert _compare_with_ffmpeg(_make(tmp_path, name, UNUSUAL_BEGINNINGS[name]), services).ready


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_converted_and_reports_missing_seconds(services: Services, tmp_path: Path, name: str) -> None:
    file = _make(tmp_path, name, BROKEN[name].recipe)
    result = _compare_with_ffmpeg(file, services)
    if not result.ready:
        return
    assert result.job is not None
    decoded = decoded_seconds(file)
    missing = result.job.missing_seconds or 0.0
    assert result.job.length is not None
    assert result.job.length >= decoded - PADDING_SECONDS
    assert missing >= 0
    if BROKEN[name].declares_length:
        assert missing <= max(0.0, SECONDS - decoded) + PADDING_SECONDS
        assert missing >= SECONDS - decoded - PADDING_SECONDS
        assert missing > 0 or decoded >= SECONDS - PADDING_SECONDS


@pytest.mark.parametrize("name", SILENT)
def test_a_file_with_nothing_to_decode_fails_with_a_code_and_a_sentence(
    services: Services, tmp_path: Path, name: str
) -> None:
    _compare_with_ffmpeg(_make(tmp_path, name, SILENT[name]), services)


@pytest.mark.parametrize("name", PROTECTED)
def test_protected_sound_is_recognized_even_if_it_decodes_as_noise(
    services: Services, tmp_path: Path, name: str
) -> None:
    result = _compare_with_ffmpeg(_make(tmp_path, name, PROTECTED[name]), services)
    assert result.job is not None
    assert result.job.error_code == "drm_protected"


def test_a_command_compares_a_folder_with_ffmpeg(tmp_path: Path) -> None:
    ffmpeg(tmp_path / "a tone.wav", *SINE)
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "-not media.mp4").write_text("no")
    run = subprocess.run(
        [sys.executable, "-m", "tests.corpus", str(tmp_path), "mp3", "flac"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "mp3: 0 disagreements" in run.stdout
    assert "1 × MP3, 1 × refused at upload" in run.stdout
    assert "1 × FLAC, 1 × refused at upload" in run.stdout
    assert "No disagreements with FFmpeg." in run.stdout
