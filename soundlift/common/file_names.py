"""The names of files that strangers send, made safe to show and to store."""

from __future__ import annotations

import re
from urllib.parse import unquote

from soundlift.common.printable import replaced

MAX_NAME_LENGTH = 200
MAX_PATH_LENGTH = 8192
UNNAMED = "video"


def clean_name(name: str) -> str:
    """Return a file name without folders and control characters (RFC 6266, section 4.3); it is never empty."""
    base_name = re.split(r"[/\\]", name[-MAX_PATH_LENGTH:])[-1]
    return replaced(base_name, "_").strip()[-MAX_NAME_LENGTH:] or UNNAMED


def name_in_path(path: str) -> str:
    """Return the name of the file that the path of a URL, percent-encoded, leads to."""
    return clean_name(unquote(path.rpartition("/")[2]))
