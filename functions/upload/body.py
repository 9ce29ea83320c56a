"""Finds the one file in a request's body, multipart or raw, and its name."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import IO, cast
from urllib.parse import unquote

from flask import Request
from werkzeug.exceptions import HTTPException
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from soundlift.common.errors import BadRequest

from .reception import Reception

BLOCK = 256 * 1024
MOST_FIELDS = 100
# Werkzeug holds its parser's buffer of 64 KiB, and what it kept of the block before, to this limit, too.
LONGEST_FIELD = 2**20
LONGEST_NAME = 200


def receive_file(request: Request, reception: Reception) -> None:
    """Pass the file of a request on to a reception, chunk by chunk as it arrives.

    Raises BadRequest where the body is broken or has several files.
    """
    if request.mimetype == "multipart/form-data":
        _receive_form(request, reception)
    else:
        reception.begin(_name_of_raw(request), request.mimetype or None)
        while block := request.stream.read(BLOCK):
            reception.write(block)


def clean_name(name: str) -> str:
    """Return a file name without its folders and control characters (RFC 6266, section 4.3), never empty."""
    last = re.split(r"[/\\]", name)[-1]
    printable = "".join(letter if letter.isprintable() else "_" for letter in last).strip()
    return printable[-LONGEST_NAME:] or "video"


def _receive_form(request: Request, reception: Reception) -> None:
    def begin_file(
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        if not filename:
            raise BadRequest("The form's file field is empty: choose a file.")
        return cast(IO[bytes], reception.begin(clean_name(filename), content_type))

    parser = FormDataParser(
        stream_factory=begin_file, silent=False, max_form_memory_size=LONGEST_FIELD, max_form_parts=MOST_FIELDS
    )
    try:
        parser.parse(request.stream, request.mimetype, request.content_length, request.mimetype_params)
    except HTTPException:
        raise
    except ValueError as error:
        raise BadRequest(f"The multipart body is broken: {error}.") from None


def _name_of_raw(request: Request) -> str:
    """Return the name from X-Filename, UTF-8 or percent-encoded, or from Content-Disposition."""
    header = request.headers.get("X-Filename")
    if header is None:
        _, options = parse_options_header(request.headers.get("Content-Disposition"))
        header = options.get("filename", "video")
    with suppress(UnicodeError):
        header = header.encode("latin-1").decode()  # PEP 3333 hands header bytes over as Latin-1
    return clean_name(unquote(header))
