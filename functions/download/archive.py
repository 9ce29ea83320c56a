"""Several MP3s as one ZIP file, which is streamed: nothing is written to disk, and one block is in memory."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

import structlog
from flask import Request, Response
from zipstream import ZipStream

from soundlift.common.errors import BadRequest, NotFound, SoundliftError, StoreUnavailable
from soundlift.common.jobs.document import audio_name, require_audio
from soundlift.common.jobs.model import JOB_ID, MAX_ARCHIVE_JOBS, Job
from soundlift.common.printable import replaced
from soundlift.common.services import Services

from .mp3_response import BLOCK_BYTES

FORBIDDEN = re.compile(r'[/\\<>:"|?*]')  # on Windows; a slash would name a folder
RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]) *(\..*)?", re.IGNORECASE)  # devices of Windows
MAX_STEM_BYTES = 200  # file systems allow 255, and a number may follow
FILE_NAME = "soundlift.zip"

log = structlog.get_logger()


def download_archive(request: Request, services: Services) -> Response:
    """Return the ZIP file of the jobs in ?jobs=, of exactly the announced length.

    The first MP3 is opened before the response begins, so an unavailable store is a 503. If the store fails later, the
    connection is closed before the announced length is reached, so that every client notices.
    """
    jobs = _find_jobs(request, services)
    mp3_ids = [require_audio(job) for job in jobs]
    services.mp3s.open(mp3_ids[0]).file.close()
    archive = ZipStream(sized=True)
    for job, mp3_id, name in zip(jobs, mp3_ids, unique_names(jobs), strict=True):
        size = job.mp3_bytes or 0
        archive.add(_read(mp3_id, size, services), name, size=size)
    response = Response(archive.finalize(), mimetype="application/zip")
    response.content_length = len(archive)
    response.headers["Content-Disposition"] = f'attachment; filename="{FILE_NAME}"'
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["Accept-Ranges"] = "none"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _find_jobs(request: Request, services: Services) -> list[Job]:
    """Return the jobs that a request names, in its order; raises NotFound unless all of them exist and are visible."""
    ids = _job_ids(request)
    identity = None
    if "token" in request.args:
        services.tokens.check_archive_link(request.args["token"], ids)
    else:
        identity = services.tokens.identify(request.headers.get("Authorization"))
    jobs = [job for job in services.jobs.find_all(ids) if identity is None or identity.may_see(job.username)]
    if len(jobs) < len(ids):
        raise NotFound("One of these jobs does not exist any more." if identity is None else "You have no such job.")
    return jobs


def _job_ids(request: Request) -> list[str]:
    ids = list(dict.fromkeys(request.args["jobs"].split(",", MAX_ARCHIVE_JOBS)))
    if len(ids) > MAX_ARCHIVE_JOBS or not all(JOB_ID.fullmatch(each) for each in ids):
        raise BadRequest(f"jobs must be 1 to {MAX_ARCHIVE_JOBS} job ids, separated by commas.")
    return ids


def _read(mp3_id: str, size: int, services: Services) -> Iterator[bytes]:
    try:
        reader = services.mp3s.open(mp3_id)
        with reader.file as file:
            if reader.size != size:
                raise StoreUnavailable("The stored MP3 does not have the recorded size.", fid=mp3_id)
            while block := file.read(BLOCK_BYTES):
                yield block
    except SoundliftError as error:
        log.warning("archive cut off", code=error.code, **error.evidence)
        raise


def unique_names(jobs: Iterable[Job]) -> list[str]:
    """Return a file name for each job's MP3, all different even where case and the form of accents do not matter."""
    names: list[str] = []
    taken: set[str] = set()
    for job in jobs:
        name = _safe_name(audio_name(job))
        stem, number = name.removesuffix(".mp3"), 1
        while (key := unicodedata.normalize("NFKC", name).casefold()) in taken:
            number += 1
            name = f"{stem} ({number}).mp3"
        taken.add(key)
        names.append(name)
    return names


def _safe_name(name: str) -> str:
    """Return a name that every system accepts and that names no other folder."""
    cleaned = FORBIDDEN.sub("_", replaced(name.removesuffix(".mp3"), "_")).strip(" .")
    stem = cleaned.encode()[:MAX_STEM_BYTES].decode(errors="ignore").strip(" .") or "audio"
    return f"{'_' if RESERVED.fullmatch(stem) else ''}{stem}.mp3"
