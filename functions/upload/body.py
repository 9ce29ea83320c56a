"""Finds the one file in a request's body, multipart or raw, its name, and the options that come with it."""

from __future__ import annotations

import re
from contextlib import suppress
from urllib.parse import unquote

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Field, File

from soundlift.common.errors import BadRequest
from soundlift.common.printable import printable

from .form import FormReader
from .reception import Reception

# What gunicorn receives at once: of smaller blocks it copies the rest of what it has received for each.
BLOCK = 2**20
LONGEST_FIELD = 2**20
LONGEST_NAME = 200
LONGEST_PATH = 8192


def receive_file(request: Request, reception: Reception) -> None:
    """Pass the file of a request on to a reception, chunk by chunk as it arrives, and each option as it comes.

    Options are in the query string, and in the fields of a form, before its file and after it. Raises BadOption,
    or BadRequest where the body is broken or has several files.
    """
    reception.ask_for(request.args.items(multi=True))
    if request.mimetype == "multipart/form-data":
        _receive_form(request, reception)
    else:
        reception.begin(_name_of_raw(request), request.mimetype or None)
        _receive_raw(request, reception)


def clean_name(name: str) -> str:
    """Return a file name without its folders and control characters (RFC 6266, section 4.3), never empty."""
    last = re.split(r"[/\\]", name[-LONGEST_PATH:])[-1]
    return printable(last, "_").strip()[-LONGEST_NAME:] or "video"


def _receive_raw(request: Request, reception: Reception) -> None:
    """Receive a body that is the file; its stream raises BadRequest where the body is cut off."""
    while block := request.stream.read(BLOCK):
        reception.write(block)


def _receive_form(request: Request, reception: Reception) -> None:
    field: Field | None = None
    value = bytearray()
    for event in FormReader(request.mimetype_params.get("boundary", "")).parts_of(request.stream, BLOCK):
        match event:
            case File():
                field = None
                _begin_file(event, reception)
            case Field():
                field, value = event, bytearray()
            case Data() if field is not None:
                _append(value, event.data)
                if not event.more_data:
                    reception.ask_for([(field.name or "", _text_of(field, value))])
            case Data():
                reception.write(event.data)


def _begin_file(event: File, reception: Reception) -> None:
    if not event.filename:
        raise BadRequest("The form's file field is empty: choose a file.")
    reception.begin(clean_name(event.filename), event.headers.get("Content-Type"))


def _append(value: bytearray, data: bytes) -> None:
    value += data
    if len(value) > LONGEST_FIELD:
        raise RequestEntityTooLarge


def _text_of(field: Field, value: bytearray) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise BadRequest(f"The form's field {field.name} is not in UTF-8.") from None


def _name_of_raw(request: Request) -> str:
    """Return the name from X-Filename, UTF-8 or percent-encoded, or from Content-Disposition."""
    header = request.headers.get("X-Filename")
    if header is None:
        _, options = parse_options_header(request.headers.get("Content-Disposition"))
        header = options.get("filename", "video")
    with suppress(UnicodeError):
        header = header.encode("latin-1").decode()  # PEP 3333 hands header bytes over as Latin-1
    return clean_name(unquote(header))
