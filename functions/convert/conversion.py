"""The conversion of one stored video to one audio file: probe, plan, encode, output.

FFmpeg reports what is in the video (`Probe`). The probe and the job's options determine the `Plan` for a track. FFmpeg
encodes the track as planned (`Encoded`), and the exact length and the tags are added (`FinishedFile`). If the track has
no sound, the next one is planned. If its timestamps turn out to be unreliable, the track is planned again without them.

FFmpeg reads an open file fastest, but does not report every error of a read: it may treat one as the end of the file.
So a conversion that may have suffered from one is repeated over HTTP, where the range server records every error.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import structlog

from soundlift.common.errors import TooManyMinutes
from soundlift.common.jobs.model import Claim, Job
from soundlift.common.media import LocalFiles
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.options.copying import NEVER
from soundlift.common.services import Services
from soundlift.common.tracing.spans import span

from .encode.copying import copy_track
from .encode.encoded import Encoded, UnreliableTimestamps
from .encode.encoder import encode
from .encode.media_input import open_local, serve_input
from .encode.range_server import url_suffix
from .encode.run_statistics import reports_change
from .encode.runner import Runner
from .encode.timestamp_check import check_timestamps
from .failures import (
    BROKEN,
    EMPTY_AUDIO,
    NOT_MEDIA,
    TOO_COMPLEX,
    TOO_LARGE,
    TOO_LONG,
    UNKNOWN_CODEC,
    ConversionFailed,
    cannot_copy,
    daily_minutes_exceeded,
)
from .formats.output_format import NotCopied
from .formats.registry import format_for
from .heartbeat import ConversionHeartbeat
from .output.finish import FinishedFile, finish
from .plan.copying import must_be_copied, reason_not_to_copy
from .plan.plan import Plan, expected_seconds, make_plan, make_plan_for_changes, make_plan_without_timestamps
from .plan.track_choice import candidate_tracks
from .probe.probe import Probe
from .probe.probe_video import probe_video

MAX_TRACKS_TRIED = 10  # FFmpeg reads the whole file for each
TRY_NEXT_TRACK = (EMPTY_AUDIO, UNKNOWN_CODEC, BROKEN)
LIMITS_OF_COPIES = (TOO_LARGE, TOO_COMPLEX)  # an encoded file may be smaller, and FFmpeg need less memory for it
LIMITS = (TOO_LONG, TOO_LARGE, TOO_COMPLEX)

log = structlog.get_logger()


def convert_video(
    job: Job, folder: Path, heartbeat: ConversionHeartbeat, services: Services, *, spare_cores: int = 0
) -> FinishedFile:
    """Convert a job's video into an audio file in a folder, on one core plus the spare ones.

    Raises ConversionFailed if the video is the cause, the media store's error, or the heartbeat's reason to stop.
    """
    videos, fid = services.videos, job.video_fid
    start = partial(Runner, heartbeat=heartbeat, settings=services.settings, folder=folder)
    reserve = partial(_reserve_sound, job=job, claim=heartbeat.claim, services=services)
    convert = partial(_convert, job=job, folder=folder, services=services, cores=spare_cores + 1, reserve=reserve)
    if isinstance(videos, LocalFiles):
        with open_local(videos, fid) as (url, file):
            if audio := _convert_local(start(url, file), convert):
                return audio
    try:
        with serve_input(videos, fid) as (url, source):
            return convert(start(url, source))
    except ConversionFailed as failure:
        suffix = url_suffix(job.file_name)
        if failure.reason != NOT_MEDIA or not suffix:
            raise
        # FFmpeg recognizes some files only by their suffix, such as an Ogg that follows other bytes.
        with suppress(ConversionFailed), serve_input(videos, fid, suffix) as (url, source):
            return convert(start(url, source))
        raise


def _convert_local(runner: Runner, convert: Callable[[Runner], FinishedFile]) -> FinishedFile | None:
    """Return the audio file of an open file, or None if an error of a read may have affected it."""
    try:
        audio = convert(runner)
    except ConversionFailed as failure:
        if failure.reason in LIMITS:
            raise
        return None
    return None if runner.read_failed or audio.missing_seconds != 0 else audio


def _convert(  # noqa: PLR0913 - all but the runner are bound once
    runner: Runner, *, job: Job, folder: Path, services: Services, cores: int, reserve: Callable[[float], None]
) -> FinishedFile:
    """Return the audio file of the first track that has sound; call `reserve` with the expected seconds of sound."""
    options = AudioOptions.from_row(job.options, services.settings)
    with span("probe"):
        probe = probe_video(runner, services.videos, job.video_fid, folder)
    reserve(expected_seconds(probe, options) or 0.0)
    failures: list[ConversionFailed] = []
    for track in candidate_tracks(probe, options)[:MAX_TRACKS_TRIED]:
        try:
            plan = make_plan(probe, track, options, format_for(track, options))
            encoded = _copy(plan, probe, runner, folder) or _encode(plan, probe, runner, folder, cores)
            with span("finish"):
                return finish(encoded, probe, runner, folder)
        except ConversionFailed as failure:
            if failure.reason not in TRY_NEXT_TRACK:
                raise
            failures.append(failure)
    raise failures[-1]


def _copy(plan: Plan, probe: Probe, runner: Runner, folder: Path) -> Encoded | None:
    """Return a copy of a track, or None if it has to be encoded; raises ConversionFailed if a job forbids that."""
    if plan.options.copy == NEVER and not must_be_copied(plan.options):
        return None
    reason = reason_not_to_copy(plan.track, plan.options, plan.format)
    if reason is None:
        try:
            with span("copy", expected=(NotCopied,)):
                return copy_track(plan, probe, runner, folder)
        except NotCopied as error:
            reason = str(error)
        except ConversionFailed as failure:
            if must_be_copied(plan.options) or failure.reason not in LIMITS_OF_COPIES:
                raise
            reason = failure.reason.code
        log.info("not copied", reason=reason)
    if must_be_copied(plan.options):
        raise ConversionFailed(cannot_copy(reason))
    return None


def _encode(plan: Plan, probe: Probe, runner: Runner, folder: Path, cores: int) -> Encoded:
    """Encode a track, again if its sound changes, or without timestamps if they turn out to be unreliable."""
    try:
        with span("encode", expected=(UnreliableTimestamps,)):
            encoded = encode(plan, runner, folder, cores=cores)
            if plan.by_timestamps and reports_change(encoded.report):
                log.info("changing sound")
                encoded = encode(make_plan_for_changes(plan), runner, folder, cores=cores)
            check_timestamps(encoded, probe, runner, folder)
    except UnreliableTimestamps:
        log.info("unreliable timestamps")
        plan = make_plan_without_timestamps(plan.track, plan.options, plan.format)
        with span("encode"):
            return encode(plan, runner, folder, cores=cores)
    return encoded


def _reserve_sound(seconds: float, *, job: Job, claim: Claim, services: Services) -> None:
    """Count sound in the quota of the job's owner; raises ConversionFailed if it does not fit."""
    try:
        services.jobs.reserve_sound(claim, seconds, services.limits.of(job.username, services.settings))
    except TooManyMinutes as error:
        raise ConversionFailed(daily_minutes_exceeded(error.detail)) from None
