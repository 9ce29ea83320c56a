"""The conversion of one stored video to one audio file: probe, plan, encode, output.

FFmpeg reports what is in the video (`Probe`). The probe and the job's options determine the `Plan` for a track. FFmpeg
encodes the track as planned (`Encoded`), and the exact length and the tags are added (`FinishedFile`). If the track has
no sound, the next one is planned. If its timestamps turn out to be unreliable, the track is planned again without them.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import structlog

from soundlift.common.jobs.model import Job
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.services import Services

from .encode.encoded import UnreliableTimestamps
from .encode.encoder import encode
from .encode.media_input import open_input, serve_input
from .encode.range_server import url_suffix
from .encode.runner import Runner
from .encode.timestamp_check import check_timestamps
from .failures import BROKEN, EMPTY_AUDIO, NOT_MEDIA, UNKNOWN_CODEC, ConversionFailed
from .formats.mp3 import MP3
from .heartbeat import ClaimHeartbeat
from .output.finish import FinishedFile, finish
from .plan.plan import make_plan, make_plan_without_timestamps
from .plan.track_choice import candidate_tracks
from .probe.probe_video import probe_video

MAX_TRACKS_TRIED = 10  # FFmpeg reads the whole file for each
TRY_NEXT_TRACK = (EMPTY_AUDIO, UNKNOWN_CODEC, BROKEN)

log = structlog.get_logger()


def convert_video(
    job: Job, folder: Path, heartbeat: ClaimHeartbeat, services: Services, *, spare_cores: int = 0
) -> FinishedFile:
    """Convert a job's video into an audio file in a folder, on one core plus the spare ones.

    Raises ConversionFailed if the video is the cause, the media store's error, or the heartbeat's reason to stop.
    """
    cores = spare_cores + 1
    try:
        with open_input(services.videos, job.video_fid) as (url, source):
            return _convert(Runner(url, source, heartbeat, services.settings), job, folder, services, cores)
    except ConversionFailed as failure:
        suffix = url_suffix(job.file_name)
        if failure.reason != NOT_MEDIA or not suffix:
            raise
        # FFmpeg recognizes some files only by their suffix, such as an Ogg that follows other bytes.
        with suppress(ConversionFailed), serve_input(services.videos, job.video_fid, suffix) as (url, source):
            return _convert(Runner(url, source, heartbeat, services.settings), job, folder, services, cores)
        raise


def _convert(runner: Runner, job: Job, folder: Path, services: Services, cores: int) -> FinishedFile:
    """Return the audio file of the first track that has sound."""
    options = AudioOptions.of_row(job.options, services.settings)
    probe = probe_video(runner, services.videos, job.video_fid, folder)
    failures: list[ConversionFailed] = []
    for track in candidate_tracks(probe, options)[:MAX_TRACKS_TRIED]:
        try:
            try:
                encoded = encode(make_plan(probe, track, options, MP3), runner, folder, cores=cores)
                check_timestamps(encoded, probe, runner, folder)
            except UnreliableTimestamps:
                log.info("unreliable timestamps")
                plan = make_plan_without_timestamps(track, options, MP3)
                encoded = encode(plan, runner, folder, cores=cores)
            return finish(encoded, probe, runner, folder)
        except ConversionFailed as failure:
            if failure.reason not in TRY_NEXT_TRACK:
                raise
            failures.append(failure)
    raise failures[-1]
