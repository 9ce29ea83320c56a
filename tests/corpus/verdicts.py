"""Holds what becomes of a file here to what FFmpeg alone, behind the same fence, makes of it."""

from __future__ import annotations

import mmap
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from functions.convert.encode.ffmpeg import binary
from functions.convert.handler import convert
from soundlift.common.audio.formats import DEMUXERS, SIGNATURE_BYTES, is_known_format
from soundlift.common.errors import SoundliftError
from soundlift.common.events import event_for
from soundlift.common.jobs.model import Job, State
from soundlift.common.media import MediaInfo
from soundlift.common.services import Services
from tests.factories.jobs import job_now, receiving_job

FENCE = ("-protocol_whitelist", "file", "-format_whitelist", DEMUXERS)
DECODED = re.compile(
    r"^\[in#0\S* @ \w+\]   Input stream #0:\d+ .*?(\d+) frames decoded.*?\((\d+) samples\)", re.MULTILINE
)
AUDIO_TRACK = re.compile(r"^  Stream #0:\d+.*?: Audio:", re.MULTILINE)
PROTECTED_MARKS = (b"enca", b"drms")
LONGEST_SECONDS = 3600


@dataclass(frozen=True)
class Reference:
    """Is what FFmpeg decodes at least one packet of: the track it picks by itself, or failing that a track by number."""

    own_choice: bool
    other_track: int | None = None

    @property
    def decodes(self) -> bool:
        return self.own_choice or self.other_track is not None

    def __str__(self) -> str:
        if self.own_choice:
            return "decodes"
        return "decodes nothing" if self.other_track is None else f"decodes audio track {self.other_track} alone"


@dataclass(frozen=True)
class Ours:
    """Is what becomes of a file here: refused at upload, or a job that ended, or an error that ended neither."""

    accepted: bool
    job: Job | None = None
    trouble: str = ""
    decodes: bool = False

    @property
    def stated(self) -> bool:
        """Tell whether this is an MP3 or one stated failure."""
        if not self.accepted:
            return True
        if self.job is None or self.trouble:
            return False
        if self.job.state == State.READY:
            return self.decodes
        sentence = self.job.error or ""
        return self.job.state == State.FAILED and bool(self.job.error_code) and sentence.endswith(".")

    @property
    def ready(self) -> bool:
        return self.job is not None and self.job.state == State.READY

    def __str__(self) -> str:
        if not self.accepted:
            return "refused at upload"
        if self.trouble or self.job is None:
            return f"trouble: {self.trouble}"
        if self.ready:
            return "an MP3" if self.decodes else "an MP3 that does not decode"
        return f"{self.job.state}: {self.job.error_code}"


def reference(file: Path) -> Reference:
    """Return what FFmpeg decodes of a file."""
    decoded, report = _first_frame(file, "-vn", "-sn", "-dn")
    if decoded:
        return Reference(own_choice=True)
    tracks = range(len(AUDIO_TRACK.findall(report)))
    others = (track for track in tracks if _first_frame(file, "-map", f"0:a:{track}")[0])
    return Reference(own_choice=False, other_track=next(others, None))


def ours(file: Path, services: Services) -> Ours:
    """Put a file of any size through what upload and convert do, and clear away what that left."""
    with file.open("rb") as content:
        if not is_known_format(content.read(SIGNATURE_BYTES)):
            return Ours(accepted=False)
        content.seek(0)
        job = _queued(content, file.name, services)
    try:
        convert(event_for(job), services)
    except SoundliftError as error:
        return Ours(accepted=True, job=job_now(services, job.id), trouble=error.detail)
    finally:
        services.videos.delete(job.video_fid)
    job = job_now(services, job.id)
    if job.state != State.READY:
        return Ours(accepted=True, job=job)
    try:
        return Ours(accepted=True, job=job, decodes=_decodes(job, services))
    finally:
        services.mp3s.delete(str(job.mp3_fid))


def agree(file: Path, theirs: Reference, here: Ours) -> bool:
    """Tell whether there is an MP3 just where FFmpeg decodes something, and a stated failure elsewhere.

    Encrypted sound is the exception: FFmpeg decodes it, as noise, and we say so instead.
    """
    if theirs.decodes and here.job is not None and here.job.error_code == "drm_protected":
        return here.stated and _has_protected_sound(file)
    return here.stated and here.ready == theirs.decodes


def decoded_seconds(file: Path) -> float:
    """Return how many seconds of sound FFmpeg decodes of the track it picks by itself."""
    report = _decode(file, "-vn", "-sn", "-dn", "-af", "aresample=48000")
    samples = re.search(r"Output stream #0:0 .*?\((\d+) samples\)", report)
    return int(samples[1]) / 48000 if samples else 0.0


def decode_errors(file: Path) -> int:
    """Return how often FFmpeg fails to decode a packet of a file."""
    errors = re.search(r"(\d+) decode errors", _decode(file, "-vn", "-sn", "-dn"))
    return int(errors[1]) if errors else 0


def _first_frame(file: Path, *selection: str) -> tuple[bool, str]:
    report = _decode(file, *selection, "-frames:a", "1")
    found = DECODED.search(report)
    return found is not None and int(found[2]) > 0, report


def _decode(file: Path, *arguments: str) -> str:
    """Return what FFmpeg reports of decoding a file into nothing."""
    command = [binary(), "-nostdin", "-hide_banner", "-v", "verbose", *FENCE, "-i", f"file:{file}", *arguments]
    done = subprocess.run([*command, "-f", "null", "-"], check=False, capture_output=True, timeout=LONGEST_SECONDS)
    return done.stderr.decode("utf-8", "replace")


def _queued(content: BinaryIO, name: str, services: Services) -> Job:
    job = receiving_job(services, name)
    writer = services.videos.create(job.video_fid, MediaInfo(job.username, job.file_name, job.content_type, job.id))
    shutil.copyfileobj(content, cast(BinaryIO, writer), 2**20)
    assert services.jobs.queue(job.id, video_bytes=writer.commit())
    return job_now(services, job.id)


def _decodes(job: Job, services: Services) -> bool:
    """Tell whether FFmpeg reads the MP3 of a job without a word of complaint."""
    with services.mp3s.open(str(job.mp3_fid)).file as mp3, tempfile.NamedTemporaryFile(suffix=".mp3") as file:
        shutil.copyfileobj(mp3, file)
        file.flush()
        command = [
            binary(),
            "-nostdin",
            "-hide_banner",
            "-v",
            "warning",
            "-f",
            "mp3",
            "-i",
            file.name,
            "-f",
            "null",
            "-",
        ]
        done = subprocess.run(command, check=False, capture_output=True, timeout=LONGEST_SECONDS)
    return done.returncode == 0 and not done.stderr


def _has_protected_sound(file: Path) -> bool:
    with file.open("rb") as content, mmap.mmap(content.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        return any(whole.find(mark) >= 0 for mark in PROTECTED_MARKS)
