"""Several audio files as one ZIP file, which is streamed: nothing is written to disk, and one block is in memory."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

import structlog
from flask import Response
from zipstream import ZipStream

from soundlift.common.errors import SoundliftError, StoreUnavailable
from soundlift.common.jobs.document import audio_format, audio_name, require_audio
from soundlift.common.jobs.model import Job
from soundlift.common.printable import replaced
from soundlift.common.services import Services

from .audio_response import BLOCK_BYTES

FORBIDDEN = re.compile(r'[/\\<>:"|?*]')  # on Windows; a slash would name a folder
RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]) *(\..*)?", re.IGNORECASE)  # devices of Windows
MAX_STEM_BYTES = 200  # file systems allow 255, and a number may follow
FILE_NAME = "soundlift.zip"

log = structlog.get_logger()


def archive_response(jobs: Sequence[Job], services: Services) -> Response:
    """Return the ZIP file of some jobs, at least one, of exactly the announced length; raises NotReady or Gone.

    The first file is opened before the response begins, so an unavailable store is a 503. If the store fails later, the
    connection is closed before the announced length is reached, so that every client notices.
    """
    mp3_ids = [require_audio(job) for job in jobs]
    services.mp3s.open(mp3_ids[0]).file.close()
    archive = ZipStream(sized=True)
    for job, mp3_id, name in zip(jobs, mp3_ids, unique_names(jobs), strict=True):
        archive.add(_read(job, mp3_id, services), name, size=job.mp3_bytes or 0)
    response = Response(archive.finalize(), mimetype="application/zip")
    response.content_length = len(archive)
    response.headers["Content-Disposition"] = f'attachment; filename="{FILE_NAME}"'
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["Accept-Ranges"] = "none"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _read(job: Job, mp3_id: str, services: Services) -> Iterator[bytes]:
    try:
        reader = services.mp3s.open(mp3_id)
        with reader.file as file:
            if reader.size != (job.mp3_bytes or 0):
                raise StoreUnavailable("The stored file does not have the recorded size.", fid=mp3_id)
            while block := file.read(BLOCK_BYTES):
                yield block
    except SoundliftError as error:
        log.warning("archive cut off", code=error.code, job_id=job.id, **error.evidence)
        raise


def unique_names(jobs: Iterable[Job]) -> list[str]:
    """Return a file name for each job's audio, all different even where case and the form of accents do not matter."""
    names: list[str] = []
    numbers: dict[str, int] = {}  # by the names taken, and the last number that was added to each
    for job in jobs:
        suffix = audio_format(job).suffix
        stem = _safe_stem(audio_name(job).removesuffix(suffix))
        name = f"{stem}{suffix}"
        wanted = key = _folded(name)
        while key in numbers:
            numbers[wanted] += 1
            name = f"{stem} ({numbers[wanted]}){suffix}"
            key = _folded(name)
        numbers[key] = 1
        names.append(name)
    return names


def _folded(name: str) -> str:
    """Return what all forms of a name have in common."""
    return unicodedata.normalize("NFKC", name).casefold()


def _safe_stem(name: str) -> str:
    """Return a name without its suffix that every system accepts and that names no other folder."""
    cleaned = FORBIDDEN.sub("_", replaced(name, "_")).strip(" .")
    stem = cleaned.encode()[:MAX_STEM_BYTES].decode(errors="ignore").strip(" .") or "audio"
    return f"{'_' if RESERVED.fullmatch(stem) else ''}{stem}"
