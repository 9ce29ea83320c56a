"""The comparison of a file's conversion with what FFmpeg decodes under the same restrictions."""

from __future__ import annotations

import mmap
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from functions.convert.handler import convert
from soundlift.common.audio.formats import DEMUXERS, SIGNATURE_BYTES, is_known_format
from soundlift.common.audio.output_formats import FORMATS, ORIGINAL
from soundlift.common.errors import SoundliftError
from soundlift.common.events import event_for
from soundlift.common.jobs.model import AudioDescription, Job, State
from soundlift.common.media import MediaInfo
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.options.parsing import parse_options
from soundlift.common.process.ffmpeg import binary
from soundlift.common.services import Services
from tests.corpus.comparison import difference
from tests.factories.jobs import job_now, receiving_job

FENCE = ("-protocol_whitelist", "file", "-format_whitelist", DEMUXERS)
DECODED = re.compile(
    r"^\[in#0\S* @ \w+\]   Input stream #0:\d+ .*?(\d+) frames decoded.*?\((\d+) samples\)", re.MULTILINE
)
AUDIO_TRACK = re.compile(r"^  Stream #0:\d+.*?: Audio:", re.MULTILINE)
DEMUXER_NAMES = {"m4a": "mov", "opus": "ogg"}
# The codes of failures of `original` without any fault of the file.
NOT_CARRIED = ("no_container", "cannot_copy")
# A WAV of one or two channels does not name them, and FFmpeg prints the other for a cover in its own M4A, too.
HARMLESS = (b"Guessed Channel Layout", b"timescale not set")
PROTECTED_MARKS = (b"enca", b"drms")
TIMEOUT_SECONDS, POLL_SECONDS = 3600, 0.05


@dataclass(frozen=True)
class Reference:
    """What FFmpeg decodes at least one packet of: the track that it selects, or else another track, by number."""

    selected_track_decodes: bool
    other_track: int | None = None

    @property
    def decodes(self) -> bool:
        return self.selected_track_decodes or self.other_track is not None

    def __str__(self) -> str:
        if self.selected_track_decodes:
            return "decodes"
        return "decodes nothing" if self.other_track is None else f"decodes audio track {self.other_track} alone"


@dataclass(frozen=True)
class Result:
    """The result for a file: rejected at upload, a job that ended, or an error.

    `difference` states how the sound differs from that of the file, if that was compared.
    """

    accepted: bool
    job: Job | None = None
    error: str = ""
    decodes: bool = False
    difference: str = ""

    @property
    def is_conclusive(self) -> bool:
        """Return whether the result is a valid audio file, a failure with a code and a sentence, or a rejection."""
        if not self.accepted:
            return True
        if self.job is None or self.error:
            return False
        if self.job.state == State.READY:
            return self.decodes and not self.difference
        sentence = self.job.error or ""
        return self.job.state == State.FAILED and bool(self.job.error_code) and sentence.endswith(".")

    @property
    def ready(self) -> bool:
        return self.job is not None and self.job.state == State.READY

    def __str__(self) -> str:
        if not self.accepted:
            return "refused at upload"
        if self.error or self.job is None:
            return f"error: {self.error}"
        if self.ready:
            return self._describe_audio()
        return f"{self.job.state}: {self.job.error_code}"

    def _describe_audio(self) -> str:
        audio = self.job.audio if self.job is not None else None
        title = FORMATS[audio.format].title if audio is not None else "an unknown format"
        if not self.decodes:
            return f"{title} that does not decode"
        return f"{title} that {self.difference}" if self.difference else title


def decode_with_ffmpeg(file: Path) -> Reference:
    """Return what FFmpeg decodes of a file."""
    decoded, report = _first_frame(file, "-vn", "-sn", "-dn")
    if decoded:
        return Reference(selected_track_decodes=True)
    tracks = range(len(AUDIO_TRACK.findall(report)))
    others = (track for track in tracks if _first_frame(file, "-map", f"0:a:{track}")[0])
    return Reference(selected_track_decodes=False, other_track=next(others, None))


def convert_file(file: Path, services: Services, audio_format: str = "mp3", *, compare: bool = False) -> Result:
    """Upload and convert a file of any size, and delete what is stored; `compare` the samples if requested."""
    with file.open("rb") as content:
        if not is_known_format(content.read(SIGNATURE_BYTES)):
            return Result(accepted=False)
        content.seek(0)
        job = _queue(content, file.name, services, audio_format)
    try:
        convert(event_for(job), services)
        job = _wait_for_end(job, services)
    except SoundliftError as error:
        return Result(accepted=True, job=job_now(services, job.id), error=error.detail)
    finally:
        services.videos.delete(job.video_fid)
    if job.state != State.READY:
        return Result(accepted=True, job=job)
    try:
        return _check_audio(file, job, services, compare=compare)
    finally:
        services.mp3s.delete(str(job.mp3_fid))


def agree(file: Path, expected: Reference, result: Result) -> bool:
    """Return whether the result is an audio file if FFmpeg decodes something, and a stated failure otherwise.

    There are two exceptions: FFmpeg decodes encrypted sound as noise, but the conversion has to fail; and no format
    carries a copy of some codecs.
    """
    if result.job is not None and result.job.error_code in NOT_CARRIED and _is_original(result.job):
        return result.is_conclusive
    if expected.decodes and result.job is not None and result.job.error_code == "drm_protected":
        return result.is_conclusive and _has_protected_sound(file)
    return result.is_conclusive and result.ready == expected.decodes


def decoded_seconds(file: Path) -> float:
    """Return how many seconds FFmpeg decodes of the track that it selects."""
    report = _decode(file, "-vn", "-sn", "-dn", "-af", "aresample=48000")
    samples = re.search(r"Output stream #0:0 .*?\((\d+) samples\)", report)
    return int(samples[1]) / 48000 if samples else 0.0


def count_decode_errors(file: Path) -> int:
    """Return the number of packets that FFmpeg fails to decode."""
    errors = re.search(r"(\d+) decode errors", _decode(file, "-vn", "-sn", "-dn"))
    return int(errors[1]) if errors else 0


def _first_frame(file: Path, *selection: str) -> tuple[bool, str]:
    report = _decode(file, *selection, "-frames:a", "1")
    found = DECODED.search(report)
    return found is not None and int(found[2]) > 0, report


def _decode(file: Path, *arguments: str) -> str:
    """Decode a file, discard the output, and return FFmpeg's report."""
    command = [binary(), "-nostdin", "-hide_banner", "-v", "verbose", *FENCE, "-i", f"file:{file}", *arguments]
    done = subprocess.run([*command, "-f", "null", "-"], check=False, capture_output=True, timeout=TIMEOUT_SECONDS)
    return done.stderr.decode("utf-8", "replace")


def _queue(content: BinaryIO, name: str, services: Services, audio_format: str) -> Job:
    job = receiving_job(services, name)
    writer = services.videos.create(job.video_fid, MediaInfo(job.username, job.file_name, job.content_type, job.id))
    shutil.copyfileobj(content, cast(BinaryIO, writer), 2**20)
    options = parse_options([("format", audio_format)], services.settings).to_json()
    assert services.jobs.queue(job.id, video_bytes=writer.commit(), options=options)
    return job_now(services, job.id)


def _wait_for_end(job: Job, services: Services) -> Job:
    """Return a job once it has ended: its event may have converted another one, and the other's event this one."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while (job := job_now(services, job.id)).state in (State.QUEUED, State.CONVERTING) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return job


def _is_original(job: Job) -> bool:
    return AudioOptions.from_json(job.options or "{}").format == ORIGINAL


def _check_audio(source: Path, job: Job, services: Services, *, compare: bool) -> Result:
    """Return the result for a job with an audio file: whether FFmpeg decodes it, and how its sound differs."""
    assert job.audio is not None
    suffix = FORMATS[job.audio.format].suffix
    with services.mp3s.open(str(job.mp3_fid)).file as audio, tempfile.NamedTemporaryFile(suffix=suffix) as file:
        shutil.copyfileobj(audio, file)
        file.flush()
        decodes = _decodes_without_warning(file.name, job.audio)
        found = difference(source, Path(file.name), job.audio, job.length or 0.0) if compare and decodes else ""
    return Result(accepted=True, job=job, decodes=decodes, difference=found)


def _decodes_without_warning(file: str, audio: AudioDescription) -> bool:
    """Return whether FFmpeg decodes an audio file, without a warning unless it is a copy, which may be damaged."""
    demuxer = DEMUXER_NAMES.get(audio.format, audio.format)
    level = "fatal" if audio.copied else "warning"
    command = [binary(), "-nostdin", "-hide_banner", "-v", level, "-f", demuxer, "-i", file, "-f", "null", "-"]
    done = subprocess.run(command, check=False, capture_output=True, timeout=TIMEOUT_SECONDS)
    return done.returncode == 0 and all(any(text in line for text in HARMLESS) for line in done.stderr.splitlines())


def _has_protected_sound(file: Path) -> bool:
    with file.open("rb") as content, mmap.mmap(content.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        return any(whole.find(mark) >= 0 for mark in PROTECTED_MARKS)
