"""The download of an MP3, complete or by ranges."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from flask import Request, Response
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import PreconditionFailed
from werkzeug.wsgi import FileWrapper

from soundlift.common.errors import BadRequest, Gone, NotAuthorized, NotFound, NotReady
from soundlift.common.jobs.document import mp3_name
from soundlift.common.jobs.model import HIDDEN, Job, State
from soundlift.common.logging import bind_job
from soundlift.common.media import MediaReader
from soundlift.common.services import Services
from soundlift.common.web.application import http_function

BLOCK_BYTES = 256 * 1024


def download(request: Request, services: Services) -> ResponseReturnValue:
    """Return the MP3 named by ?fid= or ?job= to the bearer of its owner's token or of the signed link in the mail."""
    job = _find_by_link(request, services) if "token" in request.args else _find_by_bearer(request, services)
    bind_job(job.id)
    reader = services.mp3s.open(_require_mp3(job))
    response = _build_response(job, reader)
    try:
        environ = _clamp_suffix_range(request, reader.size)
        response.make_conditional(environ, accept_ranges=True, complete_length=reader.size)
        if response.status_code == HTTPStatus.PRECONDITION_FAILED:
            raise PreconditionFailed
    except BaseException:
        response.close()
        raise
    return response


def _find_by_bearer(request: Request, services: Services) -> Job:
    identity = services.tokens.identify(request.headers.get("Authorization"))
    if fid := request.args.get("fid"):
        job = services.jobs.find_by_mp3(fid)
    elif job_id := request.args.get("job"):
        job = services.jobs.find(job_id)
    else:
        raise BadRequest("fid is required")
    if job is None or job.state in HIDDEN or not identity.may_see(job.username):
        raise NotFound("You have no such MP3; check its id.")
    return job


def _find_by_link(request: Request, services: Services) -> Job:
    linked_fid = services.tokens.linked_mp3(request.args["token"])
    fid = request.args.get("fid")
    if not fid:
        raise BadRequest("fid is required")
    if fid != linked_fid:
        raise NotAuthorized("The link is for a different MP3.")
    job = services.jobs.find_by_mp3(fid)
    if job is None or job.state in HIDDEN:
        raise NotFound("This MP3 has been deleted.")
    return job


def _require_mp3(job: Job) -> str:
    if job.state == State.EXPIRED:
        raise Gone("This MP3 has expired and was deleted.")
    if job.state != State.READY or job.mp3_fid is None:
        raise NotReady(f"The job has no MP3; its state is {job.state}.")
    return job.mp3_fid


def _clamp_suffix_range(request: Request, size: int) -> dict[str, Any]:
    """Return the WSGI environ; a suffix range longer than the file becomes the complete file.

    RFC 9110, section 14.1.2, requires this; Werkzeug would answer 416.
    """
    ranges = request.range.ranges if request.range else []
    if len(ranges) == 1 and ranges[0][0] < -size:
        return {**request.environ, "HTTP_RANGE": "bytes=0-"}
    return request.environ


def _build_response(job: Job, reader: MediaReader) -> Response:
    response = Response(FileWrapper(reader.file, BLOCK_BYTES), mimetype="audio/mpeg")
    response.content_length = reader.size
    response.set_etag(str(job.mp3_fid))
    response.last_modified = datetime.fromtimestamp(job.changed_at, UTC)
    response.headers["Content-Disposition"] = content_disposition(mp3_name(job))
    response.headers["Cache-Control"] = "private, max-age=0, must-revalidate"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def content_disposition(name: str) -> str:
    """Return the header value that saves a download as `name` (RFC 6266, section 4.3; RFC 8187, section 3.2).

    Browsers read filename*; curl reads only filename, as raw bytes without escapes.
    """
    plain = re.sub(r'["\\]', "_", name)
    header = f'attachment; filename="{plain.encode().decode("latin-1")}"'
    return header if plain == name and name.isascii() else f"{header}; filename*=UTF-8''{quote(name, safe='')}"


app = http_function(download, methods=["GET", "HEAD"], needs=["tokens", "database", "mp3s"])
