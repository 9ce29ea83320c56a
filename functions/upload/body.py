"""The body of an upload: one file, in a multipart form or raw, and the options that come with it."""

from __future__ import annotations

import re
from contextlib import suppress
from urllib.parse import unquote

from flask import Request
from werkzeug.http import parse_options_header

from soundlift.common.errors import BadRequest, UnsupportedMedia
from soundlift.common.printable import printable

from .form import Field, FileHeader, FormReader
from .session import UploadSession

# The most that gunicorn receives at once: for each smaller block it copies the rest of what it has received.
BLOCK = 2**20
MAX_NAME_LENGTH = 200
MAX_PATH_LENGTH = 8192


def receive_body(request: Request, session: UploadSession) -> None:
    """Pass the options and the file of a request on to a session, in chunks as they arrive.

    Options are in the query string and in the fields of a form, before and after its file. Raises BadOption,
    UnsupportedMedia for another multipart type, or BadRequest if the body is malformed or has several files.
    """
    session.add_options(request.args.items(multi=True))
    if request.mimetype == "multipart/form-data":
        _receive_form(request, session)
    elif request.mimetype.startswith("multipart/"):
        raise UnsupportedMedia("Send the file as multipart/form-data, or as the raw body.")
    else:
        session.begin_file(_raw_file_name(request), request.mimetype or None)
        _receive_raw(request, session)


def clean_name(name: str) -> str:
    """Return a file name without its folders and control characters (RFC 6266, section 4.3), never empty."""
    last = re.split(r"[/\\]", name[-MAX_PATH_LENGTH:])[-1]
    return printable(last, "_").strip()[-MAX_NAME_LENGTH:] or "video"


def _receive_raw(request: Request, session: UploadSession) -> None:
    """Receive a body that is the file; its stream raises BadRequest if the body is incomplete."""
    while block := request.stream.read(BLOCK):
        session.write(block)


def _receive_form(request: Request, session: UploadSession) -> None:
    for item in FormReader(request.stream, request.mimetype_params.get("boundary", ""), BLOCK):
        match item:
            case Field():
                session.add_options([(item.name, _decode(item))])
            case FileHeader(file_name=""):
                raise BadRequest("The form's file field is empty: choose a file.")
            case FileHeader():
                session.begin_file(clean_name(item.file_name), item.content_type)
            case bytes():
                session.write(item)


def _decode(field: Field) -> str:
    try:
        return field.value.decode()
    except UnicodeDecodeError:
        raise BadRequest(f"The form's field {field.name} is not in UTF-8.") from None


def _raw_file_name(request: Request) -> str:
    """Return the name from X-Filename, in UTF-8 or percent-encoded, or from Content-Disposition."""
    header = request.headers.get("X-Filename")
    if header is None:
        _, parameters = parse_options_header(request.headers.get("Content-Disposition"))
        header = parameters.get("filename", "video")
    with suppress(UnicodeError):
        header = header.encode("latin-1").decode()  # PEP 3333 passes the bytes of a header as Latin-1
    return clean_name(unquote(header))
