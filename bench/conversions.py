"""Measures one conversion against bare FFmpeg, against MoviePy, and against the usual way to write such a function."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.clips import clip, ffmpeg
from bench.comparison import Goal, Result, Row, Sample, Way, compare
from bench.processes import Memory
from bench.stage import Stage, stage
from soundlift.common.events import event_of
from soundlift.common.services import services_of_process

MINUTES = 10
LONE = Goal(0.65)
VARIABLE = ("-q:a", "2")
CONSTANT = ("-b:a", "192k")


def lone(row: Row, quality: tuple[str, ...], settings: Mapping[str, str]) -> Result:
    """Compare a conversion from store to store with the bare FFmpeg command from file to file."""
    video = clip(60 * MINUTES)
    with stage(**settings) as place, worker(place) as pool:
        return compare(row, ours(place, pool, video), bare(video, place, quality))


def against_moviepy(row: Row) -> Result:
    """Compare a conversion with MoviePy's write_audiofile, both with constant 192 kbit/s."""
    video = clip(60 * MINUTES)
    with stage(AUDIO_BITRATE="192k") as place, worker(place) as pool, worker(place) as other:
        baseline = in_worker(other, partial(write_audiofile, str(video), str(place.folder / "moviepy.mp3")))
        return compare(row, ours(place, pool, video), baseline)


def against_usual(row: Row) -> Result:
    """Compare a conversion with the way that such functions are usually written."""
    video = clip(60 * MINUTES)
    with stage(AUDIO_BITRATE="192k") as place, worker(place) as pool, worker(place) as other:
        job = place.queued_job(video)
        return compare(row, ours(place, pool, video), in_worker(other, partial(usual, job.video_fid)))


@contextmanager
def worker(place: Stage) -> Iterator[ProcessPoolExecutor]:
    """Run one process that does what it is told, as a function's worker does."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, initializer=_begin, initargs=(place.environment,)) as pool:
        yield pool


def _begin(environment: Mapping[str, str]) -> None:
    os.environ.update(environment, LOG_LEVEL="error")


def in_worker(pool: ProcessPoolExecutor, task: Callable[[], float]) -> Way:
    """Return a way that has a worker do a task which returns its own seconds."""

    def way() -> Sample:
        with Memory(pool.submit(os.getpid).result()) as memory:
            seconds = pool.submit(task).result()
        return Sample(seconds, memory.peak_mb)

    return way


def ours(place: Stage, pool: ProcessPoolExecutor, video: Path) -> Way:
    """Return our way, from the event to the MP3 in the store and the row saying so."""

    def way() -> Sample:
        job = place.queued_job(video)
        sample = in_worker(pool, partial(convert_job, job.id))()
        place.forget(job.id)
        return sample

    return way


def convert_job(job_id: str) -> float:
    """Convert a queued job, and return the seconds that it took."""
    from functions.convert.handler import convert

    services = services_of_process()
    job = services.jobs.find(job_id)
    assert job is not None
    event = event_of(job)
    began = time.perf_counter()
    assert convert(event, services) is not None
    return time.perf_counter() - began


def bare(video: Path, place: Stage, quality: tuple[str, ...]) -> Way:
    """Return the plain FFmpeg command, from file to file."""

    def way() -> Sample:
        output = str(place.folder / "bare.mp3")
        began = time.perf_counter()
        command = ffmpeg("-y", "-i", str(video), "-vn", "-c:a", "libmp3lame", *quality, output)
        with subprocess.Popen(command) as process, Memory(process.pid) as memory:
            assert process.wait() == 0
            seconds = time.perf_counter() - began
        return Sample(seconds, memory.peak_mb)

    return way


def write_audiofile(video: str, mp3: str) -> float:
    """Have MoviePy convert a file, and return the seconds that it took."""
    from moviepy import VideoFileClip

    began = time.perf_counter()
    with VideoFileClip(video) as opened:
        opened.audio.write_audiofile(mp3, bitrate="192k", logger=None)
    return time.perf_counter() - began


def usual(fid: str) -> float:
    """Convert as is usual, and return the seconds that it took.

    All of the video goes into memory, from there to a temporary file, through MoviePy, and all of the MP3 into memory.
    """
    from moviepy import VideoFileClip

    services = services_of_process()
    began = time.perf_counter()
    with tempfile.NamedTemporaryFile(suffix=".mp4") as temporary:
        temporary.write(services.videos.open(fid).file.read())
        temporary.flush()
        audio = VideoFileClip(temporary.name).audio
    output = Path(tempfile.gettempdir(), f"{fid}.mp3")
    audio.write_audiofile(str(output), bitrate="192k", logger=None)
    data = output.read_bytes()
    (services.settings.soundlift_data / "stored.mp3").write_bytes(data)
    output.unlink()
    audio.close()
    return time.perf_counter() - began


ROWS: dict[Row, Callable[[Row], Result]] = {
    Row("convert-lone", "s", LONE): partial(lone, quality=VARIABLE, settings={}),
    Row("convert-lone-cbr", "s", LONE): partial(lone, quality=CONSTANT, settings={"AUDIO_BITRATE": "192k"}),
    Row("convert-moviepy", "s", rounds=3): against_moviepy,
    Row("convert-usual", "s", rounds=3): against_usual,
}
