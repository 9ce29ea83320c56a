"""The body of an upload: one file, in a multipart form or raw, and its options."""

from __future__ import annotations

import re
from contextlib import suppress
from urllib.parse import unquote

from flask import Request
from werkzeug.http import parse_options_header

from soundlift.common.errors import BadRequest
from soundlift.common.file_names import clean_name

from .form import Field, FileHeader, FormReader
from .session import UploadSession

# The maximum that gunicorn receives at a time: after each smaller read, it copies the rest of what it has received.
BLOCK_BYTES = 2**20
# All that some reader takes for the name of this parameter: a word of its own, or anything before an equals sign. The
# value may contain it, as in boundary=my-boundary.
BOUNDARY_PARAMETER = re.compile(r"""(?:(?<=[\s;,"'])boundary\b|boundary(?=\s*[*=]))(\*?)""", re.IGNORECASE)
PLAIN = ""  # not `boundary*` (RFC 2231), which few readers know


def receive_body(request: Request, session: UploadSession) -> None:
    """Pass the options and the file of a request to a session, in chunks as they arrive.

    Options may be in the query string and in form fields, before or after the file. The rest of the body is not read if
    an earlier upload was the same, as far as the options before its file show. Raises BadOption, UnsupportedMedia for a
    type that holds no single file, or BadRequest if the body is malformed or has several files.
    """
    session.add_options(request.args.items(multi=True))
    if request.mimetype == "multipart/form-data":
        _receive_form(request, session)
    else:
        _receive_raw(request, session)


def _receive_raw(request: Request, session: UploadSession) -> None:
    """Receive a body that consists of the file alone; the stream raises BadRequest if the body is incomplete."""
    session.complete_options()
    if not session.begin_file(_raw_file_name(request), request.mimetype or None):
        return
    while block := request.stream.read(BLOCK_BYTES):
        session.write(block)


def _receive_form(request: Request, session: UploadSession) -> None:
    for item in FormReader(request.stream, _boundary(request), BLOCK_BYTES):
        match item:
            case Field():
                session.add_options([(item.name, _decode(item))])
            case FileHeader(file_name=""):
                raise BadRequest("The file field of the form is empty; choose a file.")
            case FileHeader():
                if not session.begin_file(clean_name(item.file_name), item.content_type):
                    return
            case bytes():
                session.write(item)
    session.complete_options()


def _boundary(request: Request) -> str:
    """Return the boundary of a form, empty unless every reader of the header finds the same one."""
    given = BOUNDARY_PARAMETER.findall(request.headers.get("Content-Type", ""))
    return request.mimetype_params.get("boundary", "") if given == [PLAIN] else ""


def _decode(field: Field) -> str:
    try:
        return field.value.decode()
    except UnicodeDecodeError:
        raise BadRequest(f"The form field {field.name} is not UTF-8; encode it as UTF-8.") from None


def _raw_file_name(request: Request) -> str:
    """Return the file name in X-Filename (UTF-8 or percent-encoded) or in Content-Disposition."""
    header = request.headers.get("X-Filename")
    if header is None:
        _, parameters = parse_options_header(request.headers.get("Content-Disposition"))
        header = parameters.get("filename", "video")
    with suppress(UnicodeError):
        header = header.encode("latin-1").decode()  # PEP 3333 passes the bytes of a header as Latin-1
    return clean_name(unquote(header))
