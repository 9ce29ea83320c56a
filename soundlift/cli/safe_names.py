"""File names for downloads, made from names that strangers chose."""

from __future__ import annotations

import re

from soundlift.common.printable import replaced

MAX_BYTES = 200  # file systems allow 255, and a partial download or a number may need some of them
NOT_IN_NAMES = re.compile(r'[/\\:*?"<>|]')
RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)  # by Windows
FALLBACK = "audio"


def safe_name(name: str) -> str:
    """Return a name without folders, that is not hidden, and that every file system and terminal accepts."""
    cleaned = NOT_IN_NAMES.sub("_", replaced(name, "_")).strip(" .")
    stem, dot, suffix = cleaned.rpartition(".")
    if not dot:
        stem, suffix = cleaned, ""
    limit = MAX_BYTES - len(suffix.encode()) - 1
    short = stem.encode()[: max(limit, 1)].decode(errors="ignore").strip(" .") or FALLBACK
    result = f"{short}{dot}{suffix}" if len(suffix.encode()) < MAX_BYTES // 2 else short
    return f"_{result}" if RESERVED.fullmatch(result) else result
