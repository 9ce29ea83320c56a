"""The HTTP response with one audio file, complete or a range of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from flask import Request, Response
from werkzeug.wsgi import FileWrapper

from soundlift.common.jobs.document import audio_format, audio_name
from soundlift.common.jobs.model import Job
from soundlift.common.media import MediaReader
from soundlift.common.printable import replaced

BLOCK_BYTES = 256 * 1024


def audio_response(request: Request, job: Job, reader: MediaReader) -> Response:
    """Return the response to a request for a job's audio file, which closes the reader."""
    response = _build_response(job, reader)
    try:
        environ = _clamp_suffix_range(request, reader.size)
        response.make_conditional(environ, accept_ranges=True, complete_length=reader.size)
    except BaseException:
        response.close()
        raise
    return response


def _clamp_suffix_range(request: Request, size: int) -> dict[str, Any]:
    """Return the WSGI environ; a suffix range longer than the file becomes the complete file.

    RFC 9110, section 14.1.2, requires this; Werkzeug would answer 416.
    """
    ranges = request.range.ranges if request.range else []
    if len(ranges) == 1 and ranges[0][0] < -size:
        return {**request.environ, "HTTP_RANGE": "bytes=0-"}
    return request.environ


def _build_response(job: Job, reader: MediaReader) -> Response:
    response = Response(FileWrapper(reader.file, BLOCK_BYTES), content_type=audio_format(job).media_type)
    response.content_length = reader.size
    response.set_etag(str(job.mp3_fid))
    response.last_modified = datetime.fromtimestamp(job.changed_at, UTC)
    response.headers["Content-Disposition"] = content_disposition(audio_name(job))
    response.headers["Cache-Control"] = "private, max-age=0, must-revalidate"
    return response


def content_disposition(name: str) -> str:
    """Return the header value that saves a download as `name` (RFC 6266, section 4.3; RFC 8187, section 3.2).

    Browsers read filename*; curl reads only filename, as raw bytes without escapes.
    """
    plain = _unquoted(name)
    return _disposition(name, plain.encode().decode("latin-1"))


def ascii_disposition(name: str) -> str:
    """Return such a header value in ASCII, for programs that accept nothing else: S3, and all URLs."""
    return _disposition(name, re.sub(r"[^ -~]", "_", _unquoted(name)))


def _unquoted(name: str) -> str:
    """Return a name that can be between quotes without escapes."""
    return re.sub(r'["\\]', "_", replaced(name, "_"))


def _disposition(name: str, plain: str) -> str:
    name = replaced(name, "_")
    header = f'attachment; filename="{plain}"'
    return header if plain == name and name.isascii() else f"{header}; filename*=UTF-8''{quote(name, safe='')}"
