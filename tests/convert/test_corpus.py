"""Every file of the corpus has FFmpeg's own verdict: an MP3 where FFmpeg decodes anything, else a stated failure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from soundlift.common.services import Services
from tests.corpus.broken import SECONDS
from tests.corpus.clips import BROKEN, PROTECTED, SILENT, UNUSUAL_BEGINNINGS, WHOLE
from tests.corpus.recipes import Recipe
from tests.corpus.verdicts import Ours, agree, decode_errors, decoded_seconds, ours, reference
from tests.factories.clips import SINE, ffmpeg

pytestmark = pytest.mark.media

# What a file says of its length counts the codec's padding at either end, at most 2 × 2048 samples here, as WMA's.
PADDING_SECONDS = 0.1


def _file(folder: Path, name: str, recipe: Recipe) -> Path:
    file = folder / name
    file.write_bytes(recipe())
    return file


def _held_to_ffmpeg(file: Path, services: Services) -> Ours:
    theirs, here = reference(file), ours(file, services)
    assert agree(file, theirs, here), f"{file.name}: FFmpeg {theirs}, here {here}"
    return here


@pytest.mark.parametrize("name", WHOLE)
def test_a_complete_file_becomes_an_mp3_without_missing_sound(services: Services, tmp_path: Path, name: str) -> None:
    here = _held_to_ffmpeg(_file(tmp_path, name, WHOLE[name]), services)
    assert here.ready, "the recipe makes a file that FFmpeg does not decode"
    assert here.job is not None
    assert not here.job.missing_seconds or decode_errors(tmp_path / name), "FFmpeg decodes all of it"


@pytest.mark.parametrize("name", UNUSUAL_BEGINNINGS)
def test_a_file_with_an_unusual_beginning_becomes_an_mp3(services: Services, tmp_path: Path, name: str) -> None:
    assert _held_to_ffmpeg(_file(tmp_path, name, UNUSUAL_BEGINNINGS[name]), services).ready


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_converted_and_reports_missing_seconds(services: Services, tmp_path: Path, name: str) -> None:
    file = _file(tmp_path, name, BROKEN[name].recipe)
    here = _held_to_ffmpeg(file, services)
    if not here.ready:
        return
    assert here.job is not None
    saved = decoded_seconds(file)
    lost = here.job.missing_seconds or 0.0
    assert here.job.length is not None
    assert here.job.length >= saved - PADDING_SECONDS
    assert lost >= 0
    if BROKEN[name].declares_length:
        assert lost <= max(0.0, SECONDS - saved) + PADDING_SECONDS
        assert lost >= SECONDS - saved - PADDING_SECONDS
        assert lost > 0 or saved >= SECONDS - PADDING_SECONDS


@pytest.mark.parametrize("name", SILENT)
def test_a_file_with_nothing_to_decode_fails_with_a_code_and_a_sentence(
    services: Services, tmp_path: Path, name: str
) -> None:
    _held_to_ffmpeg(_file(tmp_path, name, SILENT[name]), services)


@pytest.mark.parametrize("name", PROTECTED)
def test_protected_sound_is_recognized_even_if_it_decodes_as_noise(
    services: Services, tmp_path: Path, name: str
) -> None:
    here = _held_to_ffmpeg(_file(tmp_path, name, PROTECTED[name]), services)
    assert here.job is not None
    assert here.job.error_code == "drm_protected"


def test_a_command_compares_a_folder_with_ffmpeg(tmp_path: Path) -> None:
    ffmpeg(tmp_path / "a tone.wav", *SINE)
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "-not media.mp4").write_text("no")
    run = subprocess.run(
        [sys.executable, "-m", "tests.corpus", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "1 × an MP3, 1 × refused at upload" in run.stdout
    assert "No disagreements with FFmpeg." in run.stdout
