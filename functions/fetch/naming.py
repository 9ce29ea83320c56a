"""The name and the type of a file, as the server that sent it describes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress

from werkzeug.http import parse_options_header

from soundlift.common.file_names import UNNAMED, clean_name, name_in_path

MAX_HEADER_LENGTH = 8192
MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,50}/[a-z0-9!#$&^_.+-]{1,49}")  # RFC 6838, section 4.2, and for the tables


def sent_name(headers: Mapping[str, str], path: str) -> str | None:
    """Return the name in Content-Disposition (RFC 6266), or that in the path of the URL; None without a name."""
    header = headers.get("content-disposition", "")[:MAX_HEADER_LENGTH]
    with suppress(UnicodeError):
        header = header.encode("latin-1").decode()  # http.client passes the bytes of a header as Latin-1
    _, parameters = parse_options_header(header)
    name = clean_name(parameters["filename"]) if parameters.get("filename") else name_in_path(path)
    return None if name == UNNAMED else name


def sent_type(headers: Mapping[str, str]) -> str | None:
    """Return the media type in Content-Type, in lower case; None if there is none, or it is malformed."""
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type if MEDIA_TYPE.fullmatch(media_type) else None
