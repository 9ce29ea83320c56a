"""Takes the sound of one stored video to one stored MP3."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from soundlift.common.errors import MediaNotFound, StoreUnavailable
from soundlift.common.job_document import mp3_name
from soundlift.common.job_row import Job
from soundlift.common.media import MediaInfo
from soundlift.common.services import Services

from .ffmpeg import Ffmpeg, Outcome, looking_at, making_mp3
from .keeper import Keeper
from .mp4_boxes import has_protected_sound
from .range_server import Source, serving
from .report import ENCRYPTED_SOUND, ConversionFailed, Sound, check_outcome, check_status, read_report

BLOCK = 256 * 1024


@dataclass(frozen=True)
class Mp3:
    """Is an MP3 on this machine's disk: its size in bytes, its length in seconds of sound."""

    path: Path
    size: int
    seconds: float


def make_mp3(job: Job, output: Path, keeper: Keeper, services: Services) -> Mp3:
    """Convert the video of a job into a file.

    Raises ConversionFailed where the video is at fault, the store's error where it is the store, and what
    the keeper ended the work for.
    """
    source = Source(services.videos, job.video_fid)
    with serving(source) as url:
        sound = read_report(_run(looking_at(url), source, keeper, services).report)
        _refuse_protected(job, services)
        arguments = making_mp3(url, output, sound, services.settings)
        outcome = _run(arguments, source, keeper, services, sound)
    size = output.stat().st_size if output.exists() else 0
    check_outcome(
        outcome.status,
        outcome.report,
        seconds=outcome.seconds,
        mp3_bytes=size,
        most_bytes=services.settings.max_mp3_bytes,
    )
    return Mp3(output, size, outcome.seconds)


def _refuse_protected(job: Job, services: Services) -> None:
    """Raise ConversionFailed for sound that could be read, but only as noise."""
    reader = services.videos.open(job.video_fid)
    with reader.file as file:
        if has_protected_sound(file, reader.size):
            raise ConversionFailed(ENCRYPTED_SOUND)


def store_mp3(job: Job, mp3: Mp3, fid: str, keeper: Keeper, services: Services) -> None:
    """Put an MP3 into the media store; raises StoreUnavailable, or what the keeper ended the work for."""
    info = MediaInfo(owner=job.username, file_name=mp3_name(job), content_type="audio/mpeg", job_id=job.id)
    writer = services.mp3s.create(fid, info)
    try:
        with mp3.path.open("rb") as file:
            while block := file.read(BLOCK):
                keeper.check()
                writer.write(block)
        writer.commit()
    except BaseException:
        writer.abort()
        raise


def _run(
    arguments: list[str], source: Source, keeper: Keeper, services: Services, sound: Sound | None = None
) -> Outcome:
    """Run FFmpeg on a source; the store's error and the keeper's reason go before whatever it returned."""
    source.opened.clear()
    ffmpeg = Ffmpeg(arguments, services.settings)
    keeper.stop_with(ffmpeg.kill)
    source.opened.set()
    length = sound.length if sound else None
    outcome = ffmpeg.wait(lambda seconds: keeper.progress(100 * seconds / length) if length else None)
    keeper.check()
    if isinstance(source.error, MediaNotFound):
        raise StoreUnavailable("The media store does not have the video.") from None
    if source.error is not None:
        raise source.error
    check_status(outcome.status)
    return outcome
