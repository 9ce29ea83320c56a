"""The media type of an upload."""

from __future__ import annotations

import re

from soundlift.common.errors import UnsupportedMedia
from soundlift.common.printable import escaped

DEFAULT_TYPE = "application/octet-stream"
COMPOSITE = ("multipart/", "message/")  # RFC 2046, section 5
MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,50}/[a-z0-9!#$&^_.+-]{1,49}")  # RFC 6838, section 4.2, and for the tables
SEND = "Send the file itself, as multipart/form-data or as the raw body."


def checked_type(content_type: str | None) -> str:
    """Return a media type without its parameters, or the default one for a text that is none.

    Raises UnsupportedMedia for a type that holds several files, or a mail.
    """
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type.startswith(COMPOSITE):
        raise UnsupportedMedia(f"{escaped(media_type[:60])} holds no single file. {SEND}")
    return media_type if MEDIA_TYPE.fullmatch(media_type) else DEFAULT_TYPE
